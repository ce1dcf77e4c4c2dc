#include "sources/postgres/server.h"

#include <charconv>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace deltaforge::sources::postgres {
namespace {

template <class Number>
Number to_number(std::string_view text) {
  Number number{};
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

constexpr const char* kDoing = "asking the server who it is";

}  // namespace

ServerFacts read_settings(Session& session) {
  ServerFacts facts;
  facts.version = session.server_version();
  facts.user = session.user();
  facts.database = session.database();
  Rows rows = session.query(kDoing,
                            "SELECT pg_catalog.current_setting('wal_level'), pg_catalog.pg_is_in_recovery(),"
                            " CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()"
                            " ELSE pg_catalog.pg_current_wal_flush_lsn() END,"
                            " (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout')");
  const auto& row = rows.at(0);
  facts.wal_level = row[0].value_or("");
  facts.in_recovery = row[1].value_or("") == "t";
  facts.flushed = parse_lsn(row[2].value_or("")).value_or(Lsn{});
  facts.wal_sender_timeout = std::chrono::milliseconds(to_number<std::int64_t>(row[3].value_or("60000")));
  return facts;
}

ServerFacts read_server(Session& session) {
  Rows identity = session.query(kDoing, "IDENTIFY_SYSTEM");
  if (identity.empty() || identity[0].size() < 4)
    throw Error(ErrorKind::config, "asking the server who it is: it does not answer IDENTIFY_SYSTEM",
                "connect to PostgreSQL itself: connection poolers do not pass replication connections on");
  ServerFacts facts = read_settings(session);
  facts.system = to_number<std::uint64_t>(identity[0][0].value_or(""));
  facts.timeline = to_number<std::uint32_t>(identity[0][1].value_or(""));
  facts.database = identity[0][3].value_or("");
  return facts;
}

SlotFacts read_slot(Session& session, const std::string& slot) {
  std::string json = session.value("looking at the replication slot " + slot,
                                   "SELECT pg_catalog.to_jsonb(s) FROM pg_catalog.pg_replication_slots s"
                                   " WHERE s.slot_name = " +
                                       session.literal(slot));
  return json.empty() ? SlotFacts{} : parse_slot(json);
}

SlotFacts parse_slot(std::string_view text) {
  auto json = nlohmann::json::parse(text);
  auto string = [&json](const char* name) {
    auto found = json.find(name);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  SlotFacts slot;
  slot.exists = true;
  slot.type = string("slot_type");
  slot.plugin = string("plugin");
  slot.database = string("database");
  slot.wal_status = string("wal_status");
  slot.invalidation = string("invalidation_reason");
  if (slot.invalidation.empty() && json.value("conflicting", nlohmann::json()) == true)
    slot.invalidation = "conflict with recovery";
  if (auto pid = json.find("active_pid"); pid != json.end() && pid->is_number()) slot.active_pid = pid->get<int>();
  slot.confirmed = parse_lsn(string("confirmed_flush_lsn")).value_or(Lsn{});
  slot.restart = parse_lsn(string("restart_lsn")).value_or(Lsn{});
  return slot;
}

std::vector<TimelineEnd> read_history(Session& session, std::uint32_t timeline) {
  if (timeline <= 1) return {};
  Rows rows = session.query("reading the history of the server's timeline " + std::to_string(timeline),
                            "TIMELINE_HISTORY " + std::to_string(timeline));
  return rows.empty() || rows[0].size() < 2 ? std::vector<TimelineEnd>{} : parse_history(rows[0][1].value_or(""));
}

// Lines of "timeline TAB end TAB why"; # begins a comment.
std::vector<TimelineEnd> parse_history(std::string_view text) {
  std::vector<TimelineEnd> ends;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    std::size_t first = line.find_first_not_of(" \t");
    if (first == std::string_view::npos || line[first] == '#') continue;
    line.remove_prefix(first);
    std::size_t number_end = line.find_first_of(" \t");
    std::size_t lsn_begin = line.find_first_not_of(" \t", number_end);
    if (number_end == std::string_view::npos || lsn_begin == std::string_view::npos) continue;
    std::string_view lsn = line.substr(lsn_begin, line.find_first_of(" \t", lsn_begin) - lsn_begin);
    if (auto end = parse_lsn(lsn)) ends.push_back({to_number<std::uint32_t>(line.substr(0, number_end)), *end});
  }
  return ends;
}

}  // namespace deltaforge::sources::postgres
