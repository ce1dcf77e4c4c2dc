// Events of the binary log -> transactions in the intake. Knows no socket. Source thread only.
//
// A group of the log (GTID ... XID, or one statement) is one transaction. It counts as read at its last event, never
// at its GTID. Whatever may carry rows and is not understood stops the source with file and offset.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/source.h"
#include "sources/mysql/binlog_position.h"
#include "sources/mysql/event_header.h"
#include "sources/mysql/group_start.h"
#include "sources/mysql/payload.h"
#include "sources/mysql/place.h"
#include "sources/mysql/prepared.h"
#include "sources/mysql/rows.h"
#include "sources/mysql/statement.h"
#include "sources/mysql/tables.h"

namespace deltaforge::sources::mysql {

class Decoder {
 public:
  struct Settings {
    std::string source_id, epoch;
    Flavor flavor = Flavor::mysql;
    std::string server;  // MySQL: its uuid; MariaDB: its server_id
    // Where reading begins: transactions that come again are another log.
    MariadbGtidPos mariadb;
    GtidSet gtids;
    bool by_gtid_set = false;       // `gtids` is all that lies before
    bool lower_case_names = false;  // the server's names of tables are in lower case, whatever a statement writes
  };
  // `state` keeps prepared XA transactions, and which file was read last.
  Decoder(Settings settings, TableCache& tables, NameTable& names, Intake& intake, SourceState& state);
  // Nobody goes on from where that was.
  static void forget(SourceState& state);

  // One event with its header, and with its checksum if it has one. The bytes may be rewritten. `in_pages`: they live
  // as long as the open batch.
  void event(std::span<std::byte>, bool in_pages);
  // An event that was read past because may_drop() said so.
  void dropped(Bytes head);
  // An event that begins with these bytes, however large, is of no use.
  bool may_drop(Bytes head) const;

  // Every sink has what `position` covers.
  void released(const PositionAlgebra& algebra, const Position& position) { prepared_.forget(algebra, position); }

  // Called at a heartbeat between transactions, with the place that it names, modulo 2^32.
  std::function<void(const Place&, std::uint32_t)> on_heartbeat;

  bool in_transaction() const { return group_ != Group::none; }
  // Grows with every group that ends or is given up. After an event that made it grow the intake must be asked for
  // room.
  std::uint64_t ends() const { return ends_; }
  const Place& place() const { return place_; }

  // A group that was rolled back left nothing but its mark, which needs room() of its own: pay() while owes().
  bool owes() const { return !owed_.empty(); }
  void pay();

 private:
  enum class Group {
    none,
    opened,       // a GTID came; what follows decides
    standalone,   // MariaDB: one statement
    transaction,  // up to XID, COMMIT or ROLLBACK
    xa,           // its events are kept until it is known what becomes of them
  };
  void handle(const EventHeader&, std::span<std::byte> body, bool in_pages);
  void format_description(const EventHeader&, Bytes body);
  void rotate(const EventHeader&, Bytes event);
  void recognise_file(const EventHeader&);
  void heartbeat(const EventHeader&);
  void open_group(const EventHeader&, Bytes body);
  void previous_gtids(const EventHeader&, Bytes body);
  void open_anonymous(const EventHeader&);
  void query(const EventHeader&, Bytes body);
  void load(const EventHeader&, Bytes body);
  void compressed_query(const EventHeader&, Bytes body);
  void handle_query(const EventHeader&, Bytes body, QueryEvent);
  Statement::Name resolved(const QueryEvent&, const Statement::Name&) const;
  void check_row_change(const EventHeader&, const QueryEvent&, const Statement&) const;
  void query_in_transaction(const EventHeader&, const QueryEvent&, const Statement&);
  void query_in_xa(const EventHeader&, Bytes body, const QueryEvent&, const Statement&);
  void xa_prepare(const EventHeader&, Bytes body);
  void xa_end(const EventHeader&, const Statement&);
  void keep(const EventHeader&, std::span<std::byte> body);
  void truncate(const EventHeader&, const QueryEvent&, const Statement&);
  void table_map(const EventHeader&, Bytes body);
  const Table* captured_table(const EventHeader&, Bytes body) const;
  void rows(const EventHeader&, std::span<std::byte> body, bool in_pages);
  void payload(const EventHeader&, Bytes body);
  void end_group(const EventHeader&);
  void end_empty_group();
  void abandon_group();
  void close_group();
  Mark mark();
  void rollback_to(const EventHeader&, const std::string& savepoint);

  void describe(const EventHeader&);
  void print_id();
  void locate();
  Event& new_event(const Table&, std::uint32_t row);
  [[noreturn]] void lost(const std::string& why) const;
  [[noreturn]] void stop(const EventHeader&, const std::string& why, const std::string& remedy = {}) const;
  std::string where(const EventHeader&) const;

  const Settings settings_;
  TableCache& tables_;
  NameTable& names_;
  Intake& intake_;
  MariadbGtidPos mariadb_;
  GtidSet gtids_;
  SourceState& state_;
  PreparedTransactions prepared_;

  Place place_;
  bool checksums_ = false;
  bool inside_payload_ = false;
  Payload payload_;
  Scratch scratch_;

  Group group_ = Group::none;
  GroupStart start_;
  std::uint64_t start_offset_ = 0;
  std::uint64_t transactions_ = 0;
  std::uint64_t ends_ = 0;
  std::vector<Mark> owed_;  // of groups that were rolled back
  bool described_ = false;
  TransactionInfo info_;
  std::string id_;                 // of the transaction, as text
  std::string transaction_locus_;  // "server_id":1,"gtid":"...","file":"...","pos":
  std::string locus_;              // with the position of the rows event, up to the number of the row

  // Names that hardly ever change, so that a transaction looks nothing up.
  std::uint32_t file_number_ = 0;
  std::string file_json_ = R"("")";
  Sid sid_;
  std::uint32_t sid_number_ = 0;
  std::string sid_text_;

  struct Savepoint {
    std::string name;
    std::size_t events;  // of since_savepoint_ when it was set
  };
  std::vector<Savepoint> savepoints_;
  std::vector<Event*> since_savepoint_;
};

}  // namespace deltaforge::sources::mysql
