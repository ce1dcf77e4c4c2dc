// Position records, of both sources, as they stand in the store and in sinks.
//
//   source u8 | (bit 1: a second record behind a line feed) records
//
// Must hold: what was read is printed and read back as the same; the meet of two lies before both; anything else is an
// Error.
#include <optional>

#include "fuzz.h"
#include "pipeline/position_record.h"
#include "sources/mysql/binlog_position.h"
#include "sources/postgres/wal_position.h"

namespace {

using namespace deltaforge;
using fuzz::require;

std::optional<Position> read(const PositionAlgebra& algebra, const std::string& record) {
  const pipeline::RecordCodec codec(algebra, "u", 1);
  std::optional<Position> position;
  fuzz::allowed_to_refuse([&] { position = codec.parse(record, "a file"); });
  if (!position) return position;
  const std::string printed = codec.print(*position);
  Position again;
  require(fuzz::allowed_to_refuse([&] { again = codec.parse(printed, "what was printed"); }),
          "it reads back:", printed);
  require(algebra.equal(*position, again), "it reads back as the same:", printed);
  require(codec.print(again) == printed, "it prints the same again:", printed);
  require(!algebra.show(again).empty(), "it can be shown");
  return position;
}

void check(const PositionAlgebra& algebra, const std::string& first, const std::string& second) {
  // Without the pipeline's own members, too: sources read them by themselves.
  fuzz::allowed_to_refuse([&] { (void)algebra.parse(first); });
  const auto a = read(algebra, first), b = read(algebra, second);
  if (!a || !b) return;
  const Position both = algebra.meet(*a, *b);
  require(algebra.equal(algebra.meet(*a, *a), *a), "a position meets itself in itself");
  require(algebra.equal(algebra.meet(both, *b), both) || both.empty(), "a meet is not after the second");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in(data, size);
  const bool mysql = (in.byte() & 1) != 0;
  const std::string first = in.line(), second = in.text();
  const sources::mysql::BinlogAlgebra binlog;
  const sources::postgres::WalAlgebra wal;
  check(mysql ? static_cast<const PositionAlgebra&>(binlog) : wal, first, second);
  return 0;
}
