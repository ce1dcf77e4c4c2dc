#include "processors/outbox/outbox.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/error.h"
#include "core/event_id.h"
#include "core/outbox.h"
#include "encode/json_writer.h"
#include "encode/plain_value.h"
#include "obs/log.h"

namespace deltaforge::processors::outbox {
namespace {

constexpr std::uint32_t kHintEvery = 4096;
constexpr std::string_view kEventId = "df-event-id";
constexpr auto kReasons =
    std::to_array<const char*>({"non_insert", "null_payload", "non_object", "strict_missing_fields"});

using encode::FieldPath;
using encode::Side;
using encode::TemplateText;

obs::Labels labels(const std::string& pipeline, const std::string& processor) {
  return {{"pipeline", pipeline}, {"processor", processor}};
}

std::optional<TemplateText> compiled(const std::optional<config::Template>& text, const ProcessorContext& context) {
  if (!text) return std::nullopt;
  return TemplateText(*text, context.tenant);
}

}  // namespace

Outbox::Outbox(Config config, const ProcessorContext& context)
    : config_(std::move(config)),
      pipeline_(context.pipeline),
      payload_(config_.columns.payload),
      topic_column_(config_.columns.topic),
      aggregate_id_(config_.columns.aggregate_id),
      topic_(compiled(config_.topic, context)),
      default_topic_(compiled(config_.default_topic, context)),
      key_(compiled(config_.key, context)),
      transformed_(
          obs::Metrics::instance().counter("deltaforge_outbox_transformed_total", labels(pipeline_, config_.id))),
      set_aside_(context.set_aside) {
  for (const char* reason : kReasons) {
    obs::Labels all = labels(pipeline_, config_.id);
    all.emplace("reason", reason);
    dropped_.push_back(obs::Metrics::instance().counter("deltaforge_outbox_dropped_total", all));
  }
  const Columns& columns = config_.columns;
  headers_ = {{std::string(kEventId), FieldPath(columns.event_id)},
              {"df-aggregate-type", FieldPath(columns.aggregate_type)},
              {"df-aggregate-id", FieldPath(columns.aggregate_id)},
              {"df-event-type", FieldPath(columns.event_type)}};
  for (const auto& [name, column] : config_.additional_headers) headers_.push_back({name, FieldPath(column)});
  for (const std::string* column : {&columns.aggregate_type, &columns.aggregate_id, &columns.event_type})
    needed_.emplace_back(*column, FieldPath(*column));
}

void Outbox::process(Batch& batch) {
  Pages& pages = batch.pages();
  std::uint64_t transformed = 0;
  for (std::uint32_t i = 0; i < batch.size(); ++i) {
    if (i % kHintEvery == 0) batch.passed(i);
    Event& event = batch.event(i);
    if (event.dropped) continue;
    if (event.schema != last_) {
      last_table_ = &table_of(*event.schema);
      last_ = event.schema;
    }
    if (!last_table_->mine) continue;
    if (const auto reason = refused(event)) {
      if (config_.strict && *reason != Reason::non_insert)
        fail(batch, i, *reason == Reason::null_payload ? "has no content" : "is no JSON object");
      else
        drop(batch, i, *reason);
      continue;
    }
    if (transform(batch, event, *last_table_, pages))
      ++transformed;
    else
      fail(batch, i, failure_);
  }
  if (transformed > 0) transformed_.add(static_cast<double>(transformed));
}

const Outbox::Table& Outbox::table_of(const TableSchema& schema) {
  const auto [found, fresh] = tables_.try_emplace(schema.id);
  Table& table = found->second;
  if (!fresh || !is_outbox(schema)) return table;
  // A prefix of messages may have a dot, which a pattern takes for the end of a qualifier.
  const std::size_t dot = schema.table.find('.');
  const auto matches = [&](const config::TablePattern& pattern) {
    return pattern.matches(qualifier_of(schema), schema.table) ||
           (dot != std::string::npos && pattern.matches(schema.table.substr(0, dot), schema.table.substr(dot + 1)));
  };
  table.mine = config_.tables.empty() || std::ranges::any_of(config_.tables, matches);
  if (!table.mine) return table;
  TableSchema published = schema;
  published.schema.clear();
  table.published = published_.intern(std::move(published));
  return table;
}

std::optional<Outbox::Reason> Outbox::refused(const Event& event) const {
  if (event.op != Op::create) return Reason::non_insert;
  if (!event.after.present) return Reason::null_payload;
  if (event.extra == nullptr || event.extra->after.empty()) return std::nullopt;
  const std::string_view after = event.extra->after;
  if (after == "null") return Reason::null_payload;
  if (!after.starts_with('{')) return Reason::non_object;
  return std::nullopt;
}

// Updates and deletes of an outbox are housekeeping; anything else is a dead letter where there is a journal, and worth
// a word.
void Outbox::drop(Batch& batch, std::uint32_t index, Reason reason) {
  Event& event = batch.event(index);
  if (reason != Reason::non_insert && set_aside_)
    set_aside_(batch, index,
               fmt::format("it is no event of an outbox: {}", kReasons[static_cast<std::size_t>(reason)]));
  event.dropped = true;
  dropped_[static_cast<std::size_t>(reason)].add(1);
  if (reason == Reason::non_insert || set_aside_) return;
  obs::log_limited(obs::Level::warn, config_.id, "an outbox event is dropped",
                   {{"pipeline", pipeline_},
                    {"processor", config_.id},
                    {"table", std::string_view(event.schema->full_name)},
                    {"reason", kReasons[static_cast<std::size_t>(reason)]}});
}

bool Outbox::transform(const Batch& batch, Event& event, const Table& table, Pages& pages) {
  Extra extra = event.extra != nullptr ? *event.extra : Extra();
  // What a processor before this one said stays where the outbox says nothing.
  if (const auto topic = topic_of(event, pages)) extra.topic = topic;
  if (const auto key = key_of(event, pages)) extra.key = key;
  extra.headers = headers_of(batch, event, pages);
  extra.raw_payload = config_.raw_payload;
  const auto payload = payload_of(event, pages);
  if (config_.strict)
    if (failure_ = missing(event, extra, payload.has_value()); !failure_.empty()) return false;
  if (payload) extra.after = *payload;  // else the row is the payload
  event.extra = new (pages.array<Extra>(1).data()) Extra(extra);
  event.schema = table.published;
  if (out_.size() > Slab::kSize) out_.clear();
  return true;
}

std::optional<std::string_view> Outbox::text_of(const TemplateText& text, const Event& event, Pages& pages) {
  out_.truncate(0);
  if (!text.append(event, out_).empty() || out_.size() == 0) return std::nullopt;
  return pages.copy(out_.view());
}

std::optional<std::string_view> Outbox::text_of(const FieldPath& path, const Event& event, Pages& pages) {
  const auto value = path.find(event, Side::after);
  if (!value || value->kind() == Kind::array) return std::nullopt;
  if (value->kind() == Kind::json && (value->as_text().starts_with('{') || value->as_text().starts_with('[')))
    return std::nullopt;
  out_.truncate(0);
  if (!encode::append_plain(*value, out_)) return std::nullopt;
  return pages.copy(out_.view());
}

std::optional<std::string_view> Outbox::topic_of(const Event& event, Pages& pages) {
  if (topic_)
    if (const auto topic = text_of(*topic_, event, pages)) return topic;
  if (const auto topic = text_of(topic_column_, event, pages); topic && !topic->empty()) return topic;
  return default_topic_ ? text_of(*default_topic_, event, pages) : std::nullopt;
}

std::optional<std::string_view> Outbox::key_of(const Event& event, Pages& pages) {
  if (key_)
    if (const auto key = text_of(*key_, event, pages)) return key;
  return text_of(aggregate_id_, event, pages);
}

// An event without an id of the application's has ours.
std::span<const Header> Outbox::headers_of(const Batch& batch, const Event& event, Pages& pages) {
  found_.clear();
  if (event.extra != nullptr) found_.assign(event.extra->headers.begin(), event.extra->headers.end());
  const std::size_t own = found_.size();
  for (const HeaderField& field : headers_)
    if (const auto value = text_of(field.path, event, pages)) found_.push_back({field.name, *value});
  if (found_.size() == own || found_[own].name != kEventId) {
    char id[36];
    print_event_id(event_id(batch.commits()[event.commit], event), id);
    found_.insert(found_.begin() + static_cast<std::ptrdiff_t>(own), {kEventId, pages.copy({id, sizeof id})});
  }
  found_.push_back({"df-source-kind", "outbox"});
  const std::span<Header> kept = pages.array<Header>(found_.size());
  for (std::size_t i = 0; i < found_.size(); ++i) new (&kept[i]) Header(found_[i]);
  return kept;
}

std::optional<std::string_view> Outbox::payload_of(const Event& event, Pages& pages) {
  const auto value = payload_.find(event, Side::after);
  if (!value || !encode::is_known(*value)) return std::nullopt;
  if (value->kind() == Kind::json) {
    if (value->as_text() == "null") return std::nullopt;
    if (value->as_text().starts_with('"')) {
      out_.truncate(0);
      if (encode::append_plain(*value, out_))
        if (const auto json = json_.compact(out_.view())) return pages.copy(*json);
    }
    if (value->as_text().find_first_of("\r\n") == std::string_view::npos) return value->as_text();
  }
  if (value->kind() == Kind::text)
    if (const auto json = json_.compact(value->as_text())) return pages.copy(*json);
  out_.truncate(0);
  encode::JsonWriter json(out_);
  if (!json.value(*value)) return std::nullopt;
  json.commit();
  return pages.copy(out_.view());
}

std::string Outbox::missing(const Event& event, const Extra& extra, bool payload) {
  std::string names;
  const auto note = [&](bool there, std::string_view name) {
    if (!there) names += (names.empty() ? "lacks " : ", ") + std::string(name);
  };
  note(extra.topic.has_value(), "topic");
  note(payload, config_.columns.payload);
  for (const auto& [name, path] : needed_) {
    const auto value = path.find(event, Side::after);
    note(value && encode::is_known(*value) && !(value->kind() == Kind::json && value->as_text() == "null"), name);
  }
  return names;
}

void Outbox::fail(Batch& batch, std::uint32_t index, const std::string& why) {
  Event& event = batch.event(index);
  dropped_[static_cast<std::size_t>(Reason::strict_missing_fields)].add(1);
  if (config_.on_error == OnError::fail)
    throw Error(ErrorKind::undecodable,
                fmt::format("processor '{}': event {} of outbox {} {}", config_.id,
                            to_string(event_id(batch.commits()[event.commit], event)), event.schema->table, why),
                "name the columns in `columns`, give a `default_topic`, set strict to false, or on_error to dlq");
  if (config_.on_error == OnError::dlq) set_aside_(batch, index, fmt::format("the event {}", why));
  event.dropped = true;
}

void add(Catalogue& catalogue) { catalogue.processors.add<Outbox>("outbox"); }

}  // namespace deltaforge::processors::outbox
