#include "processors/flatten/flatten.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "core/event_id.h"
#include "encode/json_items.h"
#include "encode/json_writer.h"

namespace deltaforge::processors::flatten {
namespace {

constexpr std::uint32_t kHintEvery = 4096;

// What stands between the quotes. Empty: not UTF-8, such an event cannot be encoded anyway.
std::string in_json(std::string_view text) {
  Slab slab;
  encode::JsonWriter json(slab);
  if (!json.string(text)) return {};
  json.commit();
  const std::string_view quoted = slab.view();
  return std::string(quoted.substr(1, quoted.size() - 2));
}

constexpr std::string_view kBlanks = " \t\r\n";

char first_of(std::string_view json) {
  const std::size_t at = json.find_first_not_of(kBlanks);
  return at == std::string_view::npos ? '\0' : json[at];
}

// Of an object or a list.
bool is_empty(std::string_view json) {
  const std::size_t at = json.find_first_not_of(kBlanks, json.find_first_of("{[") + 1);
  return at != std::string_view::npos && (json[at] == '}' || json[at] == ']');
}

// How a value is written that the log did not repeat, or that is no text: one value, not an object.
bool is_one_value(std::string_view json) { return json == encode::kUnchanged || json.starts_with(encode::kBytesBegin); }

}  // namespace

Flatten::Flatten(Config config, const ProcessorContext& context)
    : config_(std::move(config)),
      pipeline_(context.pipeline),
      separator_(in_json(config_.separator)),
      set_aside_(context.set_aside),
      dropped_(obs::Metrics::instance().counter("deltaforge_flatten_failed_events_dropped_total",
                                                {{"pipeline", pipeline_}, {"processor", config_.id}})) {}

void Flatten::process(Batch& batch) {
  for (std::uint32_t i = 0; i < batch.size(); ++i) {
    if (i % kHintEvery == 0) batch.passed(i);
    Event& event = batch.event(i);
    if (!event.dropped && !flatten(event, batch.pages())) fail(batch, i);
  }
}

bool Flatten::flatten(Event& event, Pages& pages) {
  Extra extra = event.extra != nullptr ? *event.extra : Extra();
  bool any = false;
  if (!took(image(*event.schema, event.before, extra.before, pages, extra.before), any)) return false;
  if (!took(image(*event.schema, event.after, extra.after, pages, extra.after), any)) return false;
  if (!extra.members.empty()) [[unlikely]] {
    std::string_view flat;
    bool changed = false;
    if (!took(object(pages.copy("{" + std::string(extra.members) + "}"), pages, flat), changed)) return false;
    if (changed) extra.members = flat.substr(1, flat.size() - 2);
    any = any || changed;
  }
  if (any) event.extra = new (pages.array<Extra>(1).data()) Extra(extra);
  return true;
}

bool Flatten::took(Result result, bool& any) {
  if (result == Result::collided) failure_ = fmt::format("two fields become \"{}\"", collision_);
  if (result == Result::too_large)
    failure_ = fmt::format("the names of its fields take more than {} MiB together", Members::kMostNames >> 20);
  any = any || result == Result::changed;
  return result == Result::same || result == Result::changed;
}

void Flatten::fail(Batch& batch, std::uint32_t index) {
  Event& event = batch.event(index);
  if (config_.on_error == OnError::fail)
    throw Error(
        ErrorKind::undecodable,
        fmt::format("processor '{}': event {} of table {} fails: {}", config_.id,
                    to_string(event_id(batch.commits()[event.commit], event)), event.schema->full_name, failure_),
        "choose another separator or max_depth, set on_collision to last or first, or on_error to dlq");
  if (config_.on_error == OnError::dlq)
    set_aside_(batch, index, failure_);
  else
    dropped_.add(1);
  event.dropped = true;
}

const std::vector<std::string>& Flatten::names_of(const TableSchema& schema) {
  auto found = names_.find(schema.id);
  if (found == names_.end()) {
    found = names_.try_emplace(schema.id).first;
    for (const Column& column : schema.columns) found->second.push_back(in_json(column.name));
  }
  return found->second;
}

// Whether something becomes of it that it is not.
bool Flatten::is_apart(const Value& value) const {
  const bool lists = config_.lists == Lists::index || config_.empty_list != OnEmpty::preserve;
  if (value.kind() == Kind::array) return lists;
  if (value.kind() != Kind::json) return false;
  const char first = first_of(value.as_text());
  return first == '{' || (first == '[' && lists);
}

// `to` is set when it changed.
Flatten::Result Flatten::image(const TableSchema& schema, const Image& image, std::string_view shown, Pages& pages,
                               std::string_view& to) {
  if (!shown.empty()) return object(shown, pages, to);
  if (!image.present || std::ranges::none_of(image.values, [&](const Value& value) { return is_apart(value); }))
    return Result::same;
  members_.clear();
  collision_.clear();
  const std::vector<std::string>& names = names_of(schema);
  for (std::size_t i = 0; i < image.values.size(); ++i) {
    if (image.values[i].kind() == Kind::absent) continue;
    path_ = names[i];
    take(image.values[i], 0);
  }
  return finish(pages, to);
}

Flatten::Result Flatten::object(std::string_view json, Pages& pages, std::string_view& to) {
  if (first_of(json) != '{') return Result::same;
  members_.clear();
  collision_.clear();
  path_.clear();
  members_of(json, 0);
  return finish(pages, to);
}

Flatten::Result Flatten::finish(Pages& pages, std::string_view& to) {
  if (!collision_.empty()) return Result::collided;
  if (members_.too_large()) return Result::too_large;
  out_.truncate(0);
  if (!members_.write(out_)) return Result::same;  // the encoder will say what is wrong with it
  to = pages.copy(out_.view());
  if (out_.size() > Slab::kSize) out_.clear();
  return Result::changed;
}

void Flatten::members_of(std::string_view json, std::int64_t depth) {
  const std::size_t size = path_.size();
  encode::JsonMembers members(json);
  for (std::string_view name, value; members.next(name, value);) {
    if (size > 0) path_ += separator_;
    path_ += name;
    take(Value::of_text(Kind::json, value), depth);
    path_.resize(size);
  }
}

// The field that path_ names.
void Flatten::take(const Value& value, std::int64_t depth) {
  const bool whole = config_.max_depth && depth >= *config_.max_depth;
  const char first = value.kind() == Kind::json ? first_of(value.as_text()) : value.kind() == Kind::array ? '[' : '\0';
  if (first != '{' && first != '[') return put(value);
  if (value.kind() == Kind::json && is_one_value(value.as_text())) return put(value);
  const bool empty = value.kind() == Kind::array ? value.as_array().empty() : is_empty(value.as_text());
  if (empty) {
    const OnEmpty policy = first == '{' ? config_.empty_object : config_.empty_list;
    if (policy != OnEmpty::drop) put(policy == OnEmpty::null ? Value::null() : value);
    return;
  }
  if (whole || (first == '[' && config_.lists == Lists::preserve)) return put(value);
  if (first == '{') return members_of(value.as_text(), depth + 1);

  const std::size_t size = path_.size();
  std::uint32_t index = 0;
  const auto item = [&](const Value& each) {
    char digits[16];
    const char* end = std::to_chars(digits, digits + sizeof digits, index++).ptr;
    path_ += separator_;
    path_.append(static_cast<const char*>(digits), end);
    take(each, depth + 1);
    path_.resize(size);
  };
  if (value.kind() == Kind::array) {
    std::ranges::for_each(value.as_array(), item);
    return;
  }
  encode::JsonItems items(value.as_text());
  for (std::string_view each; items.next(each);) item(Value::of_text(Kind::json, each));
}

void Flatten::put(const Value& value) {
  const bool fresh = members_.put(path_, value, config_.on_collision == OnCollision::last);
  if (!fresh && config_.on_collision == OnCollision::error && collision_.empty()) collision_ = path_;
}

void add(Catalogue& catalogue) { catalogue.processors.add<Flatten>("flatten"); }

}  // namespace deltaforge::processors::flatten
