#include "sources/mysql/prepared.h"

#include <algorithm>
#include <cstring>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace deltaforge::sources::mysql {
namespace {

// The store takes 256 MiB a value.
constexpr std::size_t kMost = 200 * 1024 * 1024;
constexpr std::string_view kPrefix = "xa/";

// As hex: MariaDB's ids are bytes.
std::string key_of(std::string_view id) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string key(kPrefix);
  for (char c : id) {
    key += digits[static_cast<unsigned char>(c) >> 4];
    key += digits[c & 15];
  }
  return key;
}

std::string key_of(std::string_view id, const std::string& prepared) { return key_of(id) + "/" + prepared; }

template <class Number>
void append(std::string& to, Number number) {
  char bytes[sizeof number];
  std::memcpy(bytes, &number, sizeof number);
  to.append(bytes, sizeof bytes);
}

}  // namespace

void PreparedTransactions::begin(std::string_view id) {
  id_ = id;
  events_.clear();
  has_rows_ = false;
}

// One event: size of the body u32 | header as it is on the wire | body
void PreparedTransactions::add(const EventHeader& header, Bytes body) {
  if (events_.size() + body.size() > kMost)
    throw Error(ErrorKind::limit, "an XA transaction is larger than " + std::to_string(kMost) + " bytes",
                "it must be kept until it is committed: let the application write it in smaller ones, or without XA");
  append(events_, static_cast<std::uint32_t>(body.size()));
  append(events_, header.timestamp);
  append(events_, static_cast<std::uint8_t>(header.type));
  append(events_, header.server_id);
  append(events_, header.size);
  append(events_, header.log_pos);
  append(events_, header.flags);
  events_ += as_text(body);
}

std::vector<PreparedTransactions::Prepared> PreparedTransactions::prepared(std::string_view id) {
  std::vector<Prepared> all;
  if (auto stored = state_.get(key_of(id))) all = nlohmann::json::parse(*stored).get<std::vector<Prepared>>();
  for (const Resolved& each : resolved_)
    if (auto found = std::ranges::find(all, each.prepared, &Prepared::first); each.id == id && found != all.end())
      found->second = each.ended;
  return all;
}

void PreparedTransactions::prepare(const std::string& at) {
  std::vector<Prepared> all = prepared(id_);
  // Also when there is nothing to keep: an earlier one may have had the same id.
  if (!has_rows_ && all.empty()) return;
  if (has_rows_) state_.put(key_of(id_, at), events_);
  if (std::ranges::find(all, at, &Prepared::first) != all.end()) return;
  all.emplace_back(at, "");
  state_.put(key_of(id_), nlohmann::json(all).dump());
}

void PreparedTransactions::replay_events(std::string& events, const OnEvent& on_event) {
  auto* at = reinterpret_cast<std::byte*>(events.data());
  auto* const end = at + events.size();
  while (at < end) {
    const std::size_t size = Reader(Bytes(at, end)).u32();
    at += 4;
    on_event(read_header(Bytes(at, end)), {at + EventHeader::kSize, size});
    at += EventHeader::kSize + size;
  }
}

void PreparedTransactions::replay_open(const OnEvent& on_event) { replay_events(events_, on_event); }

void PreparedTransactions::resolve(std::string_view id, const std::string& at, const Mark& mark,
                                   const OnEvent& on_event) {
  const std::vector<Prepared> all = prepared(id);
  auto found = std::ranges::find(all, at, &Prepared::second);
  if (found == all.end()) {
    auto last = std::ranges::find(all.rbegin(), all.rend(), "", &Prepared::second);
    if (last == all.rend()) return;
    found = std::prev(last.base());
  }
  if (on_event)
    if (auto events = state_.get(key_of(id, found->first))) replay_events(*events, on_event);
  resolved_.push_back({std::string(id), found->first, at, mark});
}

void PreparedTransactions::forget(const PositionAlgebra& algebra, const Position& position) {
  while (!resolved_.empty() && algebra.covers(position, resolved_.front().mark)) {
    const Resolved& done = resolved_.front();
    state_.erase(key_of(done.id, done.prepared));
    std::vector<Prepared> left = prepared(done.id);
    std::erase_if(left, [&](const Prepared& each) { return each.first == done.prepared; });
    if (left.empty())
      state_.erase(key_of(done.id));
    else
      state_.put(key_of(done.id), nlohmann::json(left).dump());
    resolved_.pop_front();
  }
}

void PreparedTransactions::forget_all(SourceState& state) { state.erase_prefix(kPrefix); }

}  // namespace deltaforge::sources::mysql
