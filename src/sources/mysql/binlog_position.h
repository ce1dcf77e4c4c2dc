// Positions in a binary log: by GTID where the server numbers its transactions, by file and offset where it does not.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/position.h"
#include "sources/mysql/gtid_set.h"
#include "sources/mysql/mariadb_gtid.h"
#include "sources/mysql/names.h"

namespace deltaforge::sources::mysql {

// The order in which a server writes its files: base name, dot, a number that outgrows its zeros. Files of different
// base names have no order.
std::partial_ordering compare_files(std::string_view a, std::string_view b);

// A file and whose it is: after a failover the names are another server's. As a name: "<server>/<file>", the server
// being MySQL's uuid or MariaDB's server id; without server it is nobody's.
struct LogFile {
  std::string_view server, file;

  static LogFile of(std::string_view name) {
    const std::size_t slash = name.find('/');
    return slash == std::string_view::npos ? LogFile{{}, name} : LogFile{name.substr(0, slash), name.substr(slash + 1)};
  }
};

// The end of a transaction, or of anything else in the log. Numbers of names are those of the algebra's table.
struct BinlogMark {
  enum class Kind : std::uint32_t {
    place,      // no transaction ended here: a heartbeat, a rotation
    anonymous,  // a transaction without GTID
    mysql,
    mariadb,
  };
  std::uint64_t end = 0;     // 64-bit offset behind it: header fields wrap at 4 GiB
  std::uint64_t number = 0;  // MySQL: gno; MariaDB: sequence
  std::uint32_t file = 0;    // name of a LogFile
  std::uint32_t origin = 0;  // MySQL: name of Sid::key(); MariaDB: domain
  std::uint32_t server = 0;  // MariaDB: who wrote it
  Kind kind = Kind::place;

  MariadbGtid mariadb_gtid() const { return {origin, server, number}; }
};

struct BinlogPosition final : PositionData {
  enum class Mode { file, mysql_gtid, mariadb_gtid };

  std::string server_uuid;      // "": MariaDB
  std::uint32_t server_id = 0;  // MariaDB has nothing better
  Mode mode = Mode::file;
  std::string file;  // in the GTID modes file and pos only inform
  std::uint64_t pos = 0;
  GtidSet gtids;
  MariadbGtidPos mariadb;

  std::unique_ptr<PositionData> clone() const override { return std::make_unique<BinlogPosition>(*this); }
  void assign(const PositionData& other) override { *this = static_cast<const BinlogPosition&>(other); }
};

// In a GTID mode an anonymous transaction is never covered: rather twice than lost.
class BinlogAlgebra final : public PositionAlgebra {
 public:
  NameTable& names() { return names_; }

  bool covers(const Position&, const Mark&) const override;
  // In the GTID modes file and pos follow every transaction that is new, wherever it lies (another server's log after a
  // failover); a mere place moves them forward only.
  void advance(Position&, std::span<const Mark>) const override;
  // Of positions that cannot be compared (different modes; in file mode other servers or base names) it is the second:
  // a caller that asks whether a sink still has everything then hears no.
  Position meet(const Position&, const Position&) const override;
  // In the GTID modes: the same transactions, wherever they were read.
  bool equal(const Position&, const Position&) const override;
  // A log is what one server has written under one base name.
  LogPlace place(const Mark&) const override;
  std::string print(const Position&) const override;
  Position parse(std::string_view record) const override;
  std::string show(const Position&) const override;

 private:
  NameTable names_;
};

}  // namespace deltaforge::sources::mysql
