#include "sources/postgres/wal_position.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace deltaforge::sources::postgres {
namespace {

const WalPosition& wal(const Position& position) { return position.as<WalPosition>(); }

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorKind::sink_state, "reading a stored PostgreSQL position: " + why,
              "it was written by something else, or damaged: restore it, or remove it to begin afresh");
}

std::uint32_t natural(const nlohmann::json& object, const char* member) {
  const auto& value = object.at(member);
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > UINT32_MAX)
    refuse(std::string(member) + " is no number of 32 bits");
  return value.get<std::uint32_t>();
}

}  // namespace

bool WalAlgebra::covers(const Position& position, const Mark& mark) const {
  return !position.empty() && wal(position).lsn >= mark.as<WalMark>().end;
}

void WalAlgebra::advance(Position& position, std::span<const Mark> marks) const {
  auto& at = position.as<WalPosition>();
  for (const Mark& mark : marks) {
    auto to = mark.as<WalMark>();
    if (to.end <= at.lsn) continue;
    at.lsn = to.end;
    at.timeline = to.timeline;
    if (to.xid != 0) at.xid = to.xid;
  }
}

// Positions of two servers have nothing in common; the source's checks look at every lane and find that out.
Position WalAlgebra::meet(const Position& a, const Position& b) const {
  if (a.empty() || b.empty()) return {};
  return wal(a).lsn <= wal(b).lsn ? a : b;
}

bool WalAlgebra::equal(const Position& a, const Position& b) const {
  if (a.empty() || b.empty()) return a.empty() && b.empty();
  return wal(a).lsn == wal(b).lsn && wal(a).system == wal(b).system && wal(a).timeline == wal(b).timeline &&
         wal(a).database == wal(b).database;
}

LogPlace WalAlgebra::place(const Mark& mark) const { return {0, number(mark.as<WalMark>().end)}; }

std::string WalAlgebra::print(const Position& position) const {
  const WalPosition& at = wal(position);
  return fmt::format(
      R"("server":{{"system_identifier":"{}","timeline":{},"database":{}}},"stream":{{"lsn":"{}","xid":{}}},"tracks":{{}})",
      at.system, at.timeline, nlohmann::json(at.database).dump(), to_string(at.lsn), at.xid);
}

Position WalAlgebra::parse(std::string_view record) const {
  auto json = nlohmann::json::parse(record, nullptr, false);
  if (json.is_discarded() || !json.is_object()) refuse("it is not a JSON object");
  try {
    auto at = std::make_unique<WalPosition>();
    const auto& server = json.at("server");
    const auto& stream = json.at("stream");
    const auto system = server.at("system_identifier").get<std::string>();
    auto [end, error] = std::from_chars(system.data(), system.data() + system.size(), at->system);
    if (error != std::errc() || end != system.data() + system.size()) refuse("server.system_identifier is no number");
    at->timeline = natural(server, "timeline");
    at->database = server.at("database").get<std::string>();
    auto lsn = parse_lsn(stream.at("lsn").get<std::string>());
    if (!lsn) refuse("stream.lsn is not written as X/X");
    at->lsn = *lsn;
    at->xid = natural(stream, "xid");
    if (json.contains("tracks") && !json["tracks"].empty()) refuse("it holds snapshot tracks: not in this build");
    return Position(std::move(at));
  } catch (const nlohmann::json::exception& e) {
    refuse(e.what());
  }
}

std::string WalAlgebra::show(const Position& position) const {
  return fmt::format(R"({{"lsn":"{}","tx_id":{}}})", to_string(wal(position).lsn), wal(position).xid);
}

}  // namespace deltaforge::sources::postgres
