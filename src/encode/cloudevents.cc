#include "encode/cloudevents.h"

#include <chrono>

#include <fmt/format.h>

namespace deltaforge::encode {
namespace {

std::string_view what_happened(Op op) {
  switch (op) {
    case Op::create: return "created";
    case Op::update: return "updated";
    case Op::remove: return "deleted";
    case Op::read: return "snapshot";
    case Op::truncate: return "truncated";
  }
  return "";
}

// JSON text without its quotes. Text that is not UTF-8 gives nothing: events of such a table cannot be encoded anyway.
std::string escaped(std::string_view text) {
  Slab slab;
  JsonWriter json(slab);
  if (!json.string(text)) return {};
  json.commit();
  std::string_view quoted = slab.view();
  return std::string(quoted.substr(1, quoted.size() - 2));
}

}  // namespace

CloudEvents::CloudEvents(std::string_view type_prefix) : prefix_(escaped(type_prefix)), images_("") {}

const CloudEvents::Table& CloudEvents::table(const TableSchema& schema) {
  auto found = tables_.find(schema.id);
  if (found != tables_.end()) return found->second;
  const std::string name = escaped(schema.full_name);
  return tables_
      .try_emplace(
          schema.id,
          Table{fmt::format(R"(,"source":"deltaforge/{}/{}","type":"{}.)", escaped(schema.source_id), name, prefix_),
                fmt::format(R"(","datacontenttype":"application/json","subject":"{}","data":{{"before":)", name)})
      .first->second;
}

// 2024-01-15T10:30:00.000Z
std::string_view CloudEvents::time(std::int64_t ts_us) {
  using namespace std::chrono;
  const std::int64_t ms = floor<milliseconds>(microseconds(ts_us)).count();
  if (ms == last_ms_) return time_;
  last_ms_ = ms;
  const sys_time<milliseconds> at{milliseconds(ms)};
  const auto day = floor<days>(at);
  const year_month_day date(day);
  const hh_mm_ss clock(at - day);
  time_.clear();
  fmt::format_to(std::back_inserter(time_), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                 static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                 clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
  return time_;
}

std::string_view CloudEvents::encode(const Batch& batch, const Event& event, Slab& out) {
  if (event.extra != nullptr && event.extra->raw_payload) [[unlikely]] {
    JsonWriter json(out);
    std::string_view reason = images_.write_payload(event, json);
    if (reason.empty()) json.commit();
    return reason;
  }
  const TableText& text = images_.table(*event.schema);
  if (!text.unusable.empty()) return text.unusable;
  const Commit& commit = batch.commits()[event.commit];
  const Table& of = table(*event.schema);
  JsonWriter json(out);
  json.raw(R"({"specversion":"1.0","id":")");
  char id[36];
  print_event_id(event_id(commit, event), id);
  json.raw({id, sizeof id});
  json.raw('"');
  json.raw(of.source);
  json.raw(what_happened(event.op));
  json.raw(R"(","time":")");
  json.raw(time(commit.ts_us));
  json.raw(of.subject);
  if (!images_.before(text, event, json)) return images_.problem();
  json.raw(R"(,"after":)");
  if (!images_.after(text, event, json)) return images_.problem();
  json.raw(R"(,"op":")");
  json.raw(static_cast<char>(event.op));
  json.raw("\"}}");
  json.commit();
  return {};
}

}  // namespace deltaforge::encode
