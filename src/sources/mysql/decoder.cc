#include "sources/mysql/decoder.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include <fmt/format.h>
#include <libdeflate.h>
#include <nlohmann/json.hpp>

#include "base/ascii.h"
#include "base/digits.h"
#include "base/error.h"
#include "base/utf8.h"
#include "core/event_id.h"
#include "sources/mysql/errors.h"
#include "sources/mysql/inflate.h"

namespace deltaforge::sources::mysql {
namespace {

constexpr std::size_t kChecksum = 4;
constexpr std::string_view kLogFile = "log_file";  // in the durable state

std::string type_name(EventType type) { return std::to_string(static_cast<int>(type)); }

bool crc_matches(Bytes event) {
  if (event.size() < EventHeader::kSize + kChecksum) return false;
  const std::size_t size = event.size() - kChecksum;
  return libdeflate_crc32(0, event.data(), size) == Reader(event.subspan(size)).u32();
}

bool is_group_start(EventType type) {
  return type == EventType::gtid || type == EventType::anonymous_gtid || type == EventType::gtid_tagged ||
         type == EventType::mariadb_gtid;
}

// Events of the file and of the connection, which no transaction holds.
bool is_of_the_stream(EventType type) {
  return type == EventType::format_description || type == EventType::rotate || type == EventType::heartbeat ||
         type == EventType::heartbeat_v2;
}

// Events that say nothing to us. What accompanies a statement (a variable, a seed) is judged with the statement.
bool says_nothing(EventType type) {
  switch (type) {
    case EventType::stop:
    case EventType::intvar:
    case EventType::rand:
    case EventType::user_var:
    case EventType::begin_load_query:  // LOAD DATA in statement format, which is judged by its statement
    case EventType::append_block:
    case EventType::delete_file:
    case EventType::ignorable:
    case EventType::rows_query:
    case EventType::transaction_context:
    case EventType::view_change:
    case EventType::mariadb_annotate_rows:
    case EventType::mariadb_binlog_checkpoint:
    case EventType::mariadb_gtid_list: return true;
    default: return false;
  }
}

}  // namespace

Decoder::Decoder(Settings settings, TableCache& tables, NameTable& names, Intake& intake, SourceState& state)
    : settings_(std::move(settings)),
      tables_(tables),
      names_(names),
      intake_(intake),
      mariadb_(settings_.mariadb),
      gtids_(settings_.gtids),
      state_(state),
      prepared_(state) {
  tables_.clear();
}

void Decoder::forget(SourceState& state) {
  state.erase(kLogFile);
  PreparedTransactions::forget_all(state);
}

void Decoder::event(std::span<std::byte> event, bool in_pages) {
  if (event.size() < EventHeader::kSize)
    throw Error(ErrorKind::undecodable, "decoding the binary log after " + place_.file() + ": an event without header");
  const EventHeader header = read_header(event);
  if (header.size != event.size()) stop(header, "its size is not that of its header");
  const bool artificial = header.log_pos == 0 && (header.flags & EventHeader::kArtificial) != 0;
  std::span<std::byte> body = event.subspan(EventHeader::kSize);
  if (header.type == EventType::rotate && (artificial || header.timestamp == 0)) return rotate(header, event);
  if (header.type == EventType::format_description) return format_description(header, event);
  if (checksums_ && !inside_payload_) {
    if (!crc_matches(event)) stop(header, "its checksum is wrong", "check disk and network, and resume");
    body = body.first(body.size() - kChecksum);
  }
  if (header.type == EventType::heartbeat || header.type == EventType::heartbeat_v2) return heartbeat(header);
  if (!inside_payload_ && !artificial) place_.pass(header);
  handle(header, body, in_pages);
}

void Decoder::dropped(Bytes head) {
  if (head.size() >= 1 + EventHeader::kSize) place_.pass(read_header(head.subspan(1)));
}

// `head` begins with the status byte of the packet.
bool Decoder::may_drop(Bytes head) const {
  if (head.size() < 1 + EventHeader::kSize + 6) return false;
  const EventHeader header = read_header(head.subspan(1));
  if (header.type == EventType::rows_query || header.type == EventType::mariadb_annotate_rows) return true;
  if (!is_rows_event(header.type)) return false;
  const Table* table = tables_.find(Reader(head.subspan(1 + EventHeader::kSize)).natural(6));
  return table != nullptr && table->schema == nullptr;
}

void Decoder::handle(const EventHeader& header, std::span<std::byte> body, bool in_pages) {
  if (group_ == Group::xa && (is_rows_event(header.type) || header.type == EventType::table_map))
    return keep(header, body);
  if (is_rows_event(header.type)) return rows(header, body, in_pages);
  if (is_group_start(header.type)) return open_group(header, body);
  switch (header.type) {
    case EventType::table_map: return table_map(header, body);
    case EventType::xid: return end_group(header);
    case EventType::query: return query(header, body);
    case EventType::mariadb_query_compressed: return compressed_query(header, body);
    case EventType::transaction_payload: return payload(header, body);
    case EventType::xa_prepare: return xa_prepare(header, body);
    case EventType::rotate: return rotate(header, {});
    case EventType::previous_gtids: return previous_gtids(header, body);
    case EventType::incident:
      stop(header, "the server lost events (incident)",
           std::string("changes are missing from the log: ") + kBeginAfresh);
    case EventType::execute_load_query: return load(header, body);
    default: break;
  }
  if (!says_nothing(header.type) && (header.flags & EventHeader::kIgnorable) == 0)
    stop(header, "this version does not know the type");
}

// binlog version u16 | server version 50 | created u32 | header size u8 | sizes ... | checksum algorithm u8 | checksum
void Decoder::format_description(const EventHeader& header, Bytes event) {
  constexpr std::size_t kTail = 1 + kChecksum;
  if (event.size() < EventHeader::kSize + 57 + kTail) stop(header, "it ends early");
  Reader in(event.subspan(EventHeader::kSize));
  if (in.u16() != 4) stop(header, "the version of the log is not 4");
  const auto algorithm = std::to_integer<int>(event[event.size() - kTail]);
  if (algorithm > 1) stop(header, "an unknown checksum algorithm");
  checksums_ = algorithm == 1;
  if (checksums_ && !crc_matches(event)) stop(header, "its checksum is wrong");
  recognise_file(header);
  const bool from_file = header.log_pos != 0 && (header.flags & EventHeader::kArtificial) == 0;
  if (!from_file) return;
  place_.pass(header);
  // A server that died leaves a transaction without its end. The one that came after numbers its tables anew.
  abandon_group();
  tables_.clear();
}

// After a log was reset its files have the names, and its transactions the numbers, that we know. When a file was begun
// tells it from its namesake.
void Decoder::recognise_file(const EventHeader& header) {
  if (header.timestamp == 0) return;
  const std::string now = fmt::format("{}/{} {}", settings_.server, place_.file(), header.timestamp);
  const auto kept = state_.get(kLogFile);
  if (kept == now) return;
  if (kept && kept->starts_with(now.substr(0, now.rfind(' ') + 1)))
    lost(
        "the file was begun at another time than the one of that name that was read before: the log was reset, its "
        "numbers are used again");
  state_.put(kLogFile, now);
}

// offset u64 | file. One that was made for this connection may come without checksum, whatever the log has.
void Decoder::rotate(const EventHeader& header, Bytes event) {
  if (event.empty()) return;  // the end of a file: the server tells the name of the next one by one of its own
  Reader in(event.subspan(EventHeader::kSize));
  const std::uint64_t offset = in.u64();
  std::string_view name = as_text(in.rest());
  if (crc_matches(event)) name.remove_suffix(std::min(name.size(), kChecksum));
  if (name.empty() || !is_utf8(name)) stop(header, "it names no file, or not in UTF-8");
  place_.enter(std::string(name), offset);
  file_number_ = names_.intern(settings_.server + "/" + std::string(name));
  file_json_ = nlohmann::json(name).dump();
}

void Decoder::heartbeat(const EventHeader& header) {
  if (group_ != Group::none) return;
  BinlogMark mark;
  mark.file = file_number_;
  mark.end = place_.end();
  intake_.idle(Mark::of(mark));
  if (on_heartbeat) on_heartbeat(place_, header.log_pos);
}

// What a file says to lie before it. The server passes over what we have, so the rest has come, or lay in a file that
// was deleted unread.
void Decoder::previous_gtids(const EventHeader& header, Bytes body) {
  if (!settings_.by_gtid_set) return;
  auto before = GtidSet::decode(body);
  if (!before) stop(header, before.failure().what);
  before->subtract(gtids_);
  if (!before->empty()) lost("the server deleted transactions before they were read: " + to_string(*before));
}

void Decoder::open_group(const EventHeader& header, Bytes body) {
  auto start = read_group_start(header, body);
  if (!start) stop(header, start.failure().what);
  abandon_group();
  start_ = *start;
  if (start_.id == GroupStart::Id::mariadb) {
    if (!mariadb_.add(start_.mariadb))
      stop(header,
           "the sequence number of " + to_string(start_.mariadb) + " was used before: the log holds " +
               to_string(mariadb_),
           std::string("two servers wrote in the same domain, or the log was reset: set gtid_strict_mode, ") +
               kBeginAfresh);
    group_ = start_.standalone ? Group::standalone : start_.prepares_xa ? Group::xa : Group::transaction;
    if (start_.prepares_xa) prepared_.begin(start_.xid);
  } else {
    group_ = Group::opened;
  }
  if (start_.id == GroupStart::Id::mysql && gtids_.contains(start_.sid, start_.gno))
    lost(fmt::format("{}:{} has come before: the log was reset, its numbers are used again", to_string(start_.sid),
                     start_.gno));
  if (start_.id == GroupStart::Id::mysql && (sid_text_.empty() || start_.sid != sid_)) {
    sid_ = start_.sid;
    sid_number_ = names_.intern(sid_.key());
    sid_text_ = to_string(sid_);
  }
  start_offset_ = place_.start();
  ++transactions_;
}

// Logs without any kind of GTID event.
void Decoder::open_anonymous(const EventHeader& header) {
  start_ = {};
  start_.commit_us = std::int64_t{header.timestamp} * 1'000'000;
  start_offset_ = place_.start();
  group_ = Group::opened;
  ++transactions_;
}

void Decoder::compressed_query(const EventHeader& header, Bytes body) {
  // Everything before the text is as it is in a QUERY event.
  auto query = read_query(body);
  if (!query) stop(header, query.failure().what);
  auto text = inflate_mariadb(as_bytes(query->sql), intake_.pages());
  if (!text) stop(header, text.failure().what);
  query->sql = as_text(*text);
  handle_query(header, body, *query);
}

void Decoder::query(const EventHeader& header, Bytes body) {
  auto query = read_query(body);
  if (!query) stop(header, query.failure().what);
  handle_query(header, body, *query);
}

void Decoder::load(const EventHeader& header, Bytes body) {
  auto query = read_query(body, true);
  if (!query) stop(header, query.failure().what);
  handle_query(header, body, *query);
}

void Decoder::handle_query(const EventHeader& header, Bytes body, QueryEvent query) {
  // The client's character set. What is none of it stays as it is.
  const Charset* charset = is_ascii(query.sql) ? nullptr : charset_of(query.collation);
  if (charset != nullptr && is_convertible(*charset))
    if (std::string_view text; scratch_.converter.to_utf8(*charset, query.sql, intake_.pages(), text)) query.sql = text;
  const Statement statement = classify(query.sql, query.sql_mode);
  if (group_ == Group::none) open_anonymous(header);
  using Kind = Statement::Kind;
  if (statement.kind == Kind::begin) {
    group_ = Group::transaction;
    return;
  }
  if (statement.kind == Kind::xa_start) {
    group_ = Group::xa;
    prepared_.begin(start_.xid.empty() ? statement.name : start_.xid);
    return;
  }
  if (statement.kind == Kind::xa_commit || statement.kind == Kind::xa_rollback) return xa_end(header, statement);
  if (group_ == Group::xa) return query_in_xa(header, body, query, statement);
  if (group_ == Group::transaction) return query_in_transaction(header, query, statement);
  if (statement.kind == Kind::truncate) truncate(header, query, statement);
  check_row_change(header, query, statement);
  end_group(header);
}

void Decoder::query_in_transaction(const EventHeader& header, const QueryEvent& query, const Statement& statement) {
  switch (statement.kind) {
    case Statement::Kind::commit: return end_group(header);
    case Statement::Kind::rollback:
      // Only what could not be rolled back is a reason to log such a group: statements, temporary tables.
      owed_.push_back(mark());
      return abandon_group();
    case Statement::Kind::savepoint: savepoints_.push_back({statement.name, since_savepoint_.size()}); return;
    case Statement::Kind::rollback_to: return rollback_to(header, statement.name);
    case Statement::Kind::truncate: return truncate(header, query, statement);
    default: check_row_change(header, query, statement);  // CREATE TABLE ... SELECT stands inside its transaction
  }
}

// Savepoints count when the rows do.
void Decoder::query_in_xa(const EventHeader& header, Bytes body, const QueryEvent& query, const Statement& statement) {
  using Kind = Statement::Kind;
  check_row_change(header, query, statement);
  if (statement.kind == Kind::savepoint || statement.kind == Kind::rollback_to) prepared_.add(header, body);
}

void Decoder::check_row_change(const EventHeader& header, const QueryEvent& query, const Statement& statement) const {
  constexpr char kRemedy[] =
      "SET GLOBAL binlog_format = 'ROW', also in the sessions that write; what that statement changed has to be loaded "
      "anew";
  if (statement.kind == Statement::Kind::unseen_change)
    stop(header, "a function or procedure changed rows in statement format: the log does not say of which tables",
         kRemedy);
  if (statement.kind != Statement::Kind::row_change) return;
  for (const auto& each : statement.tables) {
    const auto [of, table] = resolved(query, each);
    if (!tables_.captured(of, table)) continue;
    stop(header, fmt::format("{}.{} was changed in statement format: the log holds no rows of it", of, table), kRemedy);
  }
}

Statement::Name Decoder::resolved(const QueryEvent& query, const Statement::Name& name) const {
  Statement::Name result{name.first.empty() ? std::string(query.database) : name.first, name.second};
  if (!settings_.lower_case_names) return result;
  for (std::string* part : {&result.first, &result.second}) *part = to_lower(std::move(*part));
  return result;
}

void Decoder::truncate(const EventHeader& header, const QueryEvent& query, const Statement& statement) {
  const auto [of, name] = resolved(query, statement.tables.front());
  if (!tables_.captured(of, name)) return;
  describe(header);
  locate();
  new_event(tables_.named(of, name), 0).op = Op::truncate;
}

void Decoder::keep(const EventHeader& header, std::span<std::byte> body) {
  if (header.type == EventType::table_map) table_map(header, body);
  if (captured_table(header, body) == nullptr) return;
  prepared_.add(header, body);
  if (header.type != EventType::table_map) prepared_.holds_rows();
}

// one phase u8 | ... Of a transaction in one phase it is the end.
void Decoder::xa_prepare(const EventHeader& header, Bytes body) {
  Reader in(body);
  const bool one_phase = in.u8() != 0;
  if (!in.ok()) stop(header, "it ends early");
  if (group_ != Group::xa) stop(header, "it ends a transaction that did not begin");
  if (!one_phase) {
    print_id();
    prepared_.prepare(id_);
    return end_empty_group();
  }
  group_ = Group::transaction;
  prepared_.replay_open([this](const EventHeader& inner, std::span<std::byte> rows) { handle(inner, rows, false); });
  end_group(header);
}

void Decoder::xa_end(const EventHeader& header, const Statement& statement) {
  group_ = Group::transaction;
  print_id();
  PreparedTransactions::OnEvent replay;
  if (statement.kind == Statement::Kind::xa_commit)
    replay = [this](const EventHeader& inner, std::span<std::byte> rows) { handle(inner, rows, false); };
  prepared_.resolve(start_.xid.empty() ? statement.name : start_.xid, std::string(id_), mark(), replay);
  end_group(header);
}

// Rows that were rolled back stand in the log only when something beside them could not be.
void Decoder::rollback_to(const EventHeader& header, const std::string& savepoint) {
  auto found = std::ranges::find(savepoints_.rbegin(), savepoints_.rend(), savepoint, &Savepoint::name);
  if (found == savepoints_.rend()) stop(header, "it rolls back to the savepoint " + savepoint + ", which was not set");
  for (std::size_t i = found->events; i < since_savepoint_.size(); ++i) since_savepoint_[i]->dropped = true;
  since_savepoint_.resize(found->events);
  savepoints_.erase(found.base(), savepoints_.end());
}

void Decoder::table_map(const EventHeader& header, Bytes body) {
  auto put = tables_.put(body);
  if (!put) stop(header, put.failure().what, put.failure().remedy);
}

// Of a table map or of rows. Null: nobody asked for it.
const Table* Decoder::captured_table(const EventHeader& header, Bytes body) const {
  const std::uint64_t id = Reader(body).natural(6);
  if (id == RowsHeader::kNoTable) return nullptr;
  const Table* table = tables_.find(id);
  if (table == nullptr) stop(header, "the log did not describe table " + std::to_string(id));
  return table->schema != nullptr ? table : nullptr;
}

void Decoder::rows(const EventHeader& header, std::span<std::byte> body, bool in_pages) {
  if (group_ == Group::none) stop(header, "rows stand outside any transaction");
  const Table* table = captured_table(header, body);
  if (table == nullptr) return;
  group_ = Group::transaction;
  describe(header);
  if (!in_pages) {
    std::byte* copy = intake_.pages().allocate(body.size(), 1);
    std::memcpy(copy, body.data(), body.size());
    body = {copy, body.size()};
  }
  auto rows = read_rows_header(header.type, body, intake_.pages());
  if (!rows) stop(header, table->schema->full_name + ": " + rows.failure().what);
  scratch_.pages = &intake_.pages();
  RowsReader reader(*rows, *table->plan, scratch_);
  locate();
  const Op op = rows->kind == RowsKind::write ? Op::create : rows->kind == RowsKind::remove ? Op::remove : Op::update;
  Image before, after;
  for (std::uint32_t row = 0;; ++row) {
    auto more = reader.next(before, after);
    if (!more) stop(header, more.failure().what);
    if (!*more) return;
    Event& event = new_event(*table, row);
    event.op = op;
    event.before = before;
    event.after = after;
  }
}

void Decoder::payload(const EventHeader& header, Bytes body) {
  if (inside_payload_) stop(header, "a compressed transaction inside another");
  inside_payload_ = true;
  struct Leave {
    bool& flag;
    ~Leave() { flag = false; }
  } leave{inside_payload_};
  // One transaction, its GTID outside: whoever feeds us asks the intake for room only behind the whole event.
  const std::uint64_t before = ends_;
  auto read = payload_.read(body, [&](std::span<std::byte> inner) {
    if (ends_ != before) stop(header, "an event behind the end of a compressed transaction");
    const EventType type = read_header(inner).type;
    if (is_group_start(type) || is_of_the_stream(type)) stop(header, "an event that no compressed transaction holds");
    event(inner, false);
  });
  if (!read) stop(header, read.failure().what);
}

void Decoder::end_group(const EventHeader& header) {
  if (group_ == Group::none) stop(header, "it ends a transaction that did not begin");
  if (!described_) return end_empty_group();
  info_.ts_us = start_.commit_us != 0 ? start_.commit_us : std::int64_t{header.timestamp} * 1'000'000;
  intake_.commit(mark(), info_);
  ++ends_;
  close_group();
}

// Every GTID counts, also of a transaction that changed nothing of ours.
void Decoder::end_empty_group() {
  if (start_.id == GroupStart::Id::none)
    intake_.idle(mark());
  else
    intake_.commit(mark(), {.ts_us = start_.commit_us, .id_hash = {}, .transaction_id = {}});
  ++ends_;
  close_group();
}

void Decoder::pay() {
  Mark mark = owed_.back();
  owed_.pop_back();
  intake_.commit(mark, {});
}

void Decoder::abandon_group() {
  if (described_) intake_.rollback();
  if (group_ != Group::none) ++ends_;
  close_group();
}

void Decoder::close_group() {
  group_ = Group::none;
  described_ = false;
  savepoints_.clear();
  since_savepoint_.clear();
}

Mark Decoder::mark() {
  BinlogMark mark;
  mark.file = file_number_;
  mark.end = place_.end();
  switch (start_.id) {
    case GroupStart::Id::none: mark.kind = BinlogMark::Kind::anonymous; break;
    case GroupStart::Id::mysql:
      mark.kind = BinlogMark::Kind::mysql;
      mark.origin = sid_number_;
      mark.number = start_.gno;
      gtids_.add(start_.sid, start_.gno);
      break;
    case GroupStart::Id::mariadb:
      mark.kind = BinlogMark::Kind::mariadb;
      mark.origin = start_.mariadb.domain;
      mark.server = start_.mariadb.server;
      mark.number = start_.mariadb.sequence;
      break;
  }
  return Mark::of(mark);
}

// What all events of the transaction share. Called before its first one.
void Decoder::describe(const EventHeader& header) {
  if (described_) return;
  described_ = true;
  print_id();
  const bool has_gtid = start_.id != GroupStart::Id::none;
  info_ = {};
  info_.transaction_id = intake_.pages().copy(id_);
  auto append = [this](auto number) { fmt::format_to(std::back_inserter(transaction_locus_), "{}", number); };
  transaction_locus_ = R"("server_id":)";
  append(header.server_id);
  if (has_gtid) transaction_locus_.append(R"(,"gtid":")").append(id_).append("\"");
  transaction_locus_.append(R"(,"file":)").append(file_json_).append(R"(,"pos":)");
  if (!has_gtid) id_.insert(0, ":").insert(0, settings_.server);
  info_.id_hash = transaction_hash(settings_.source_id, settings_.epoch, id_);
}

// The GTID, or the place where the transaction begins.
void Decoder::print_id() {
  id_.clear();
  auto out = std::back_inserter(id_);
  const MariadbGtid& gtid = start_.mariadb;
  switch (start_.id) {
    case GroupStart::Id::mysql: fmt::format_to(out, "{}:{}", sid_text_, start_.gno); break;
    case GroupStart::Id::mariadb: fmt::format_to(out, "{}-{}-{}", gtid.domain, gtid.server, gtid.sequence); break;
    case GroupStart::Id::none: fmt::format_to(out, "{}:{}", place_.file(), start_offset_); break;
  }
}

// The place of a rows event, for all of its rows.
void Decoder::locate() {
  locus_ = transaction_locus_;
  char digits[20];
  locus_.append(digits, put_number(digits, place_.start()));
  locus_ += R"(,"row":)";
}

Event& Decoder::new_event(const Table& table, std::uint32_t row) {
  constexpr std::size_t kDigits = 10;
  if (table.counter->transaction != transactions_) *table.counter = {transactions_, 0};
  Event& event = intake_.event();
  event.schema = table.schema;
  event.ordinal = ++table.counter->rows;
  char* locus = reinterpret_cast<char*>(intake_.pages().allocate(locus_.size() + kDigits, 1));
  std::memcpy(locus, locus_.data(), locus_.size());
  char* const digits = locus + locus_.size();
  event.locus = {locus, put_number(digits, std::uint64_t{row})};
  if (!savepoints_.empty()) since_savepoint_.push_back(&event);
  return event;
}

std::string Decoder::where(const EventHeader& header) const {
  return fmt::format("{}:{}, event type {}", place_.file(), place_.start(), type_name(header.type));
}

void Decoder::lost(const std::string& why) const {
  throw Error(ErrorKind::position_lost, fmt::format("position lost: {}:{}: {}", place_.file(), place_.start(), why),
              kBeginAfresh);
}

void Decoder::stop(const EventHeader& header, const std::string& why, const std::string& remedy) const {
  throw Error(ErrorKind::undecodable, "decoding the binary log at " + where(header) + ": " + why,
              remedy.empty()
                  ? "nothing was skipped; report this with the server's version, and resume with a build that "
                    "understands it"
                  : remedy);
}

}  // namespace deltaforge::sources::mysql
