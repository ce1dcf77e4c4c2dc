#include "sources/mysql/binlog_position.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"

namespace deltaforge::sources::mysql {
namespace {

using Mode = BinlogPosition::Mode;
using Kind = BinlogMark::Kind;

const BinlogPosition& binlog(const Position& position) { return position.as<BinlogPosition>(); }

bool reached(std::string_view file, std::uint64_t pos, std::string_view end_file, std::uint64_t end) {
  const auto order = compare_files(file, end_file);
  return order > 0 || (order == 0 && pos >= end);
}

// Moves one position over the marks of a batch. Marks come in runs of one file and one server, so names are looked up
// when they change, and the file's name is copied once, at the end.
class Walk {
 public:
  Walk(BinlogPosition& at, const NameTable& names) : at_(at), names_(names), file_(at.file), pos_(at.pos) {}

  void over(const BinlogMark& mark) {
    if (file_number_ != mark.file) {
      mark_file_ = LogFile::of(names_.name(mark.file));
      file_number_ = mark.file;
    }
    if (!is_new(mark)) return;
    file_ = mark_file_.file;
    server_ = mark_file_.server;
    pos_ = mark.end;
  }

  void end() {
    if (file_.data() != at_.file.data()) at_.file = file_;
    at_.pos = pos_;
    if (server_.empty()) return;
    if (at_.server_uuid.empty())
      std::from_chars(server_.data(), server_.data() + server_.size(), at_.server_id);
    else if (at_.server_uuid != server_)
      at_.server_uuid = server_;
  }

 private:
  bool is_new(const BinlogMark& mark) {
    if (at_.mode == Mode::mysql_gtid && mark.kind == Kind::mysql) return at_.gtids.add(sid(mark.origin), mark.number);
    if (at_.mode == Mode::mariadb_gtid && mark.kind == Kind::mariadb) return at_.mariadb.add(mark.mariadb_gtid());
    if (at_.mode != Mode::file && mark.kind != Kind::place) return true;
    return !reached(file_, pos_, mark_file_.file, mark.end);
  }

  const Sid& sid(std::uint32_t name) {
    if (sid_number_ != name) {
      sid_ = Sid::from_key(names_.name(name));
      sid_number_ = name;
    }
    return sid_;
  }

  BinlogPosition& at_;
  const NameTable& names_;
  std::string_view file_;  // at_.file, until a mark moves it
  std::string_view server_;
  std::uint64_t pos_;
  std::optional<std::uint32_t> file_number_, sid_number_;
  LogFile mark_file_;
  Sid sid_;
};

// Whether the two places have an order at all.
bool one_log(const BinlogPosition& a, const BinlogPosition& b) {
  return a.server_uuid == b.server_uuid && a.server_id == b.server_id &&
         compare_files(a.file, b.file) != std::partial_ordering::unordered;
}

bool reached(const BinlogPosition& at, const BinlogPosition& other) {
  return reached(at.file, at.pos, other.file, other.pos);
}

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorKind::sink_state, "reading a stored MySQL position: " + why,
              "it was written by something else, or damaged: restore it, or remove it to begin afresh");
}

// A file's name is the server's bytes; what is not UTF-8 in it cannot be kept in JSON, and the server then refuses it.
std::string json_text(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string gtid_text(const BinlogPosition& at) {
  return at.mode == Mode::mysql_gtid ? to_string(at.gtids) : to_string(at.mariadb);
}

std::uint64_t natural(const nlohmann::json& object, const char* member, std::uint64_t max) {
  const auto& value = object.at(member);
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > max)
    refuse(fmt::format("{} is not a number that it can be", member));
  return value.get<std::uint64_t>();
}

template <class Set>
Set read_gtids(const nlohmann::json& stream, const char* member) {
  auto set = Set::parse(stream.at(member).get<std::string>());
  if (!set) refuse(fmt::format("stream.{}: {} (at byte {})", member, set.failure().what, set.failure().offset));
  return std::move(*set);
}

void read_server(const nlohmann::json& server, BinlogPosition& at) {
  const auto flavor = server.at("flavor").get<std::string>();
  if (flavor == "mysql") {
    at.server_uuid = server.at("uuid").get<std::string>();
    if (at.server_uuid.empty()) refuse("server.uuid is empty");
  } else if (flavor == "mariadb") {
    at.server_id = static_cast<std::uint32_t>(natural(server, "server_id", 0xFFFF'FFFF));
  } else {
    refuse("server.flavor is neither mysql nor mariadb");
  }
}

void read_stream(const nlohmann::json& stream, BinlogPosition& at) {
  at.file = stream.at("file").get<std::string>();
  at.pos = natural(stream, "pos", ~std::uint64_t{0});
  const bool is_mysql = !at.server_uuid.empty();
  if (stream.contains(is_mysql ? "gtid" : "gtid_set")) refuse("its GTIDs are of the other kind of server");
  if (is_mysql && stream.contains("gtid_set")) {
    at.mode = Mode::mysql_gtid;
    at.gtids = read_gtids<GtidSet>(stream, "gtid_set");
  } else if (!is_mysql && stream.contains("gtid")) {
    at.mode = Mode::mariadb_gtid;
    at.mariadb = read_gtids<MariadbGtidPos>(stream, "gtid");
  }
}

}  // namespace

std::partial_ordering compare_files(std::string_view a, std::string_view b) {
  if (a == b) return std::partial_ordering::equivalent;
  const std::size_t dot = a.rfind('.');
  if (dot == std::string_view::npos || b.rfind('.') != dot || a.substr(0, dot) != b.substr(0, dot))
    return std::partial_ordering::unordered;
  auto number = [dot](std::string_view name) {
    name.remove_prefix(dot + 1);
    return name;
  };
  auto is_number = [](std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  };
  std::string_view x = number(a), y = number(b);
  if (!is_number(x) || !is_number(y)) return std::partial_ordering::unordered;
  x.remove_prefix(std::min(x.find_first_not_of('0'), x.size()));
  y.remove_prefix(std::min(y.find_first_not_of('0'), y.size()));
  if (x.size() != y.size()) return x.size() <=> y.size();
  return x <=> y;
}

bool BinlogAlgebra::covers(const Position& position, const Mark& mark) const {
  if (position.empty()) return false;
  const BinlogPosition& at = binlog(position);
  const auto end = mark.as<BinlogMark>();
  if (at.mode == Mode::mysql_gtid && end.kind == Kind::mysql)
    return at.gtids.contains(Sid::from_key(names_.name(end.origin)), end.number);
  if (at.mode == Mode::mariadb_gtid && end.kind == Kind::mariadb) return at.mariadb.covers(end.mariadb_gtid());
  if (at.mode != Mode::file && end.kind != Kind::place) return false;
  return reached(at.file, at.pos, LogFile::of(names_.name(end.file)).file, end.end);
}

void BinlogAlgebra::advance(Position& position, std::span<const Mark> marks) const {
  Walk walk(position.as<BinlogPosition>(), names_);
  for (const Mark& mark : marks) walk.over(mark.as<BinlogMark>());
  walk.end();
}

Position BinlogAlgebra::meet(const Position& a, const Position& b) const {
  if (a.empty() || b.empty()) return {};
  const BinlogPosition& other = binlog(b);
  if (binlog(a).mode != other.mode) return b;
  const bool ordered = one_log(binlog(a), other);
  if (other.mode == Mode::file) return ordered && !reached(binlog(a), other) ? a : b;
  Position both = a;
  auto& at = both.as<BinlogPosition>();
  at.gtids.intersect(other.gtids);
  at.mariadb.meet(other.mariadb);
  if (ordered && reached(at, other)) {
    at.file = other.file;
    at.pos = other.pos;
  }
  return both;
}

bool BinlogAlgebra::equal(const Position& a, const Position& b) const {
  if (a.empty() || b.empty()) return a.empty() && b.empty();
  const BinlogPosition &x = binlog(a), &y = binlog(b);
  if (x.mode != y.mode) return false;
  if (x.mode != Mode::file) return x.gtids == y.gtids && x.mariadb == y.mariadb;
  return x.server_uuid == y.server_uuid && x.server_id == y.server_id && x.file == y.file && x.pos == y.pos;
}

LogPlace BinlogAlgebra::place(const Mark& mark) const {
  constexpr int kOffsetBits = 40;  // a file holds one transaction more than max_binlog_size, 1 GiB
  const auto at = mark.as<BinlogMark>();
  const std::string_view name = names_.name(at.file);
  const std::size_t dot = std::min(name.rfind('.'), name.size() - 1);
  std::uint64_t number = 0;
  std::from_chars(name.data() + dot + 1, name.data() + name.size(), number);
  return {xxh3_64(as_bytes(name.substr(0, dot))), number << kOffsetBits | at.end};
}

std::string BinlogAlgebra::print(const Position& position) const {
  const BinlogPosition& at = binlog(position);
  std::string text = at.server_uuid.empty()
                         ? fmt::format(R"("server":{{"flavor":"mariadb","server_id":{}}})", at.server_id)
                         : fmt::format(R"("server":{{"flavor":"mysql","uuid":{}}})", json_text(at.server_uuid));
  text += fmt::format(R"(,"stream":{{"file":{},"pos":{})", json_text(at.file), at.pos);
  if (at.mode == Mode::mysql_gtid) text += fmt::format(R"(,"gtid_set":"{}")", gtid_text(at));
  if (at.mode == Mode::mariadb_gtid) text += fmt::format(R"(,"gtid":"{}")", gtid_text(at));
  return text + R"(},"tracks":{})";
}

Position BinlogAlgebra::parse(std::string_view record) const {
  auto json = nlohmann::json::parse(record, nullptr, false);
  if (json.is_discarded() || !json.is_object()) refuse("it is not a JSON object");
  try {
    auto at = std::make_unique<BinlogPosition>();
    read_server(json.at("server"), *at);
    read_stream(json.at("stream"), *at);
    if (json.contains("tracks") && !json["tracks"].empty()) refuse("it holds snapshot tracks: not in this build");
    return Position(std::move(at));
  } catch (const nlohmann::json::exception& e) {
    refuse(e.what());
  }
}

std::string BinlogAlgebra::show(const Position& position) const {
  const BinlogPosition& at = binlog(position);
  const std::string gtids = at.mode == Mode::file ? "" : fmt::format(R"(,"gtid_set":"{}")", gtid_text(at));
  return fmt::format(R"({{"file":{},"pos":{}{}}})", json_text(at.file), at.pos, gtids);
}

}  // namespace deltaforge::sources::mysql
