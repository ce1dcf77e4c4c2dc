#include "processors/outbox/config.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include <fmt/format.h>

#include "config/expand.h"
#include "encode/destination.h"

namespace deltaforge::processors::outbox {
namespace {

using config::Node;
using config::Report;

void read_template(const Node& node, std::optional<config::Template>& out, Report& report) {
  if (!node.is_scalar()) return report.add(node, "expected text, with variables such as ${event_type}");
  auto read = config::expand_columns(node, report);
  if (!read) return;
  if (read->empty()) return report.add(node, "it is empty: leave it out");
  out = std::move(read);
}

void show_template(const std::optional<config::Template>& value, config::Echo& echo) {
  if (!value) return echo.null();
  echo.string(config::columns_text(*value));
}

bool is_header_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
  });
}

bool is_taken(const std::string& name) {
  std::string lower;
  for (const char c : name) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  constexpr auto kTaken =
      std::to_array<std::string_view>({"df-event-id", "df-aggregate-type", "df-aggregate-id", "df-event-type",
                                       "df-source-kind", "df-key", "df-idempotency-key", "content-type"});
  return std::ranges::find(kTaken, lower) != kTaken.end() || lower.starts_with("nats-");
}

}  // namespace

const config::Spec<Columns>& Columns::spec() {
  static const auto s = config::Spec<Columns>("outbox_columns", "What the columns of the outbox are called.")
                            .field("payload", &Columns::payload, "The event's body.", {.min = 1})
                            .field("aggregate_type", &Columns::aggregate_type, "Header df-aggregate-type.", {.min = 1})
                            .field("aggregate_id", &Columns::aggregate_id,
                                   "Header df-aggregate-id, and the key when no `key` is set.", {.min = 1})
                            .field("event_type", &Columns::event_type, "Header df-event-type.", {.min = 1})
                            .field("topic", &Columns::topic, "A topic for this event alone.", {.min = 1})
                            .field("event_id", &Columns::event_id, "Header df-event-id.", {.min = 1});
  return s;
}

const config::Spec<Config>& Config::spec() {
  static const auto s = [] {
    config::Spec<Config> spec("outbox", "Makes the application's own events of what stands in an outbox.");
    spec.choice("type", &Config::type, "`outbox`.", {{"outbox", Type::outbox}}, {.required = true})
        .field("id", &Config::id, "Name in metrics and messages.", {.min = 1})
        .field("tables", &Config::tables, "Outbox tables, or prefixes of messages, that it is for; empty: all.")
        .custom("topic", &Config::topic, "Topic, stream or subject; variables are columns: `orders.${event_type}`.",
                read_template, {}, show_template)
        .shaped({.type = "template"})
        .custom("default_topic", &Config::default_topic, "When neither `topic` nor the column of that name gives one.",
                read_template, {}, show_template)
        .shaped({.type = "template"})
        .custom("key", &Config::key, "Message key; variables are columns. Without it the aggregate's id.",
                read_template, {}, show_template)
        .shaped({.type = "template"})
        .field("raw_payload", &Config::raw_payload, "Sends the payload alone, without an envelope.")
        .field("strict", &Config::strict, "An event that lacks something fails, instead of doing without.")
        .choice("on_error", &Config::on_error,
                "What becomes of an event that fails: the pipeline stops before it, it becomes a dead letter, or it is "
                "dropped.",
                {{"fail", OnError::fail}, {"dlq", OnError::dlq}, {"drop", OnError::drop}})
        .nested("columns", &Config::columns, "What the columns are called.")
        .field("additional_headers", &Config::additional_headers, "Further headers: name -> column.");
    return spec;
  }();
  return s;
}

void Config::check(const Node& node, Report& report) const {
  // A sink refuses what a processor names so, a fixed name too.
  const auto check_topic = [&](std::string_view field, const std::optional<config::Template>& text) {
    const std::string_view problem = text ? encode::template_problem(*text) : std::string_view();
    if (!problem.empty()) report.add(node, field, fmt::format("every event would be refused: {}", problem));
  };
  check_topic("topic", topic);
  check_topic("default_topic", default_topic);
  const Node* map = node.find("additional_headers");
  for (const auto& [name, column] : additional_headers) {
    if (map == nullptr || map->find(name) == nullptr) continue;
    if (!is_header_name(name)) report.add(*map, name, "no name of a header: use letters, digits, '-', '_' and '.'");
    if (is_taken(name))
      report.add(*map, name,
                 "the processor or the sink writes this header itself: choose another name, or name the "
                 "column in `columns`");
    if (column.empty()) report.add(*map, name, "expected the name of a column");
  }
}

}  // namespace deltaforge::processors::outbox
