// What the targets of the MySQL decoder share: a decoder with everything behind it.
#pragma once

#include <string>
#include <vector>

#include "contract_intake.h"
#include "fuzz.h"
#include "memory_state.h"
#include "schema/registry.h"
#include "sources/mysql/binlog_position.h"
#include "sources/mysql/decoder.h"
#include "sources/mysql/tables.h"

namespace deltaforge::fuzz {

struct MysqlDecoding {
  explicit MysqlDecoding(std::uint8_t flags)
      : flavor((flags & 1) != 0 ? sources::mysql::Flavor::mariadb : sources::mysql::Flavor::mysql),
        tables(
            {"shop", (flags & 1) != 0 ? "mariadb" : "mysql", flavor},
            [flags](std::string_view, std::string_view table) { return (flags & 2) == 0 || !table.ends_with('f'); },
            [flags](const sources::mysql::TableMap& map) { return hints(flags, map); }, registry),
        decoder({.source_id = "shop", .epoch = "1", .flavor = flavor, .server = "server", .mariadb = {}}, tables,
                algebra.names(), intake, state) {
    intake.room();
  }

  // As stream.cc does.
  void event(std::span<std::byte> bytes, bool in_pages) {
    const std::uint64_t before = decoder.ends();
    decoder.event(bytes, in_pages);
    if (decoder.ends() != before) ready();
  }
  void ready() {
    intake.room();
    while (decoder.owes()) {
      decoder.pay();
      intake.room();
    }
  }

  // The catalogue of a MariaDB names the types that look like fixed strings.
  static std::vector<sources::mysql::ColumnHint> hints(std::uint8_t flags, const sources::mysql::TableMap& map) {
    using As = sources::mysql::ColumnHint::As;
    if ((flags & 4) != 0) return {};
    std::vector<sources::mysql::ColumnHint> hints(map.columns.size());
    for (std::size_t i = 0; i < hints.size(); ++i) {
      const auto& column = map.columns[i];
      if (column.type == sources::mysql::ColumnType::string)
        hints[i].as = column.length == 4 ? As::inet4 : i % 2 == 0 ? As::uuid : As::inet6;
      hints[i].digits = static_cast<std::uint8_t>(column.meta % 7);
    }
    return hints;
  }

  const sources::mysql::Flavor flavor;
  schema::Registry& registry = registry_for_input();
  sources::mysql::TableCache tables;
  sources::mysql::BinlogAlgebra algebra;
  ContractIntake intake{{.utf8 = true, .json = true}};
  MemoryState state;
  sources::mysql::Decoder decoder;
};

}  // namespace deltaforge::fuzz
