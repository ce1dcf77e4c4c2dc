#include "processors/flatten/flatten.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "core/event_id.h"
#include "encode/bytes_mark.h"
#include "encode/envelope_names.h"
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

// But for blanks.
char first_of(std::string_view json, std::size_t at = 0) {
  while (at < json.size() && (json[at] == ' ' || json[at] == '\n' || json[at] == '\r' || json[at] == '\t')) ++at;
  return at < json.size() ? json[at] : '\0';
}

bool is_nested(char first) { return first == '{' || first == '['; }

// Of what begins with an object or a list.
bool is_empty(std::string_view json) {
  const char second = first_of(json, json.find_first_of("{[") + 1);
  return second == '}' || second == ']';
}

// How a value is written that the log did not repeat, or that is no text: one value, not an object.
bool is_one_value(std::string_view json) { return json == encode::kUnchanged || encode::is_bytes_mark(json); }

// The same of the value that `json` begins with.
bool begins_one_value(std::string_view json) {
  return json.starts_with(encode::kUnchanged) || encode::bytes_mark_size(json) > 0;
}

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
    of_envelope_ = true;
    const Result result = object(pages.copy("{" + std::string(extra.members) + "}"), pages, flat);
    of_envelope_ = false;
    if (!took(result, changed)) return false;
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

const Flatten::ColumnNames& Flatten::names_of(const TableSchema& schema) {
  if (last_.second == nullptr || last_.first != schema.id) [[unlikely]] {
    auto found = names_.find(schema.id);
    if (found == names_.end()) found = names_.try_emplace(schema.id, make_names(schema)).first;
    last_ = {schema.id, &found->second};
  }
  return *last_.second;
}

Flatten::ColumnNames Flatten::make_names(const TableSchema& schema) const {
  ColumnNames names;
  std::vector<std::pair<std::string, std::size_t>> begins;  // what names of nested fields begin with
  for (const Column& column : schema.columns) {
    const std::string name = in_json(column.name);
    begins.emplace_back(name.empty() ? name : name + separator_, names.size());
    names.push_back({'"' + name + "\":" + std::string(encode::JsonWriter::kPadding, ' '), true});
  }
  // Behind one that others begin with, those follow.
  std::ranges::sort(begins);
  for (std::size_t i = 1, shortest = 0; i < begins.size(); ++i) {
    if (begins[i].first.starts_with(begins[shortest].first))
      names[begins[i].second].alone = names[begins[shortest].second].alone = false;
    else
      shortest = i;
  }
  return names;
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
  const ColumnNames& names = names_of(schema);
  for (std::size_t i = 0; i < image.values.size(); ++i) {
    const Value& value = image.values[i];
    if (value.kind() == Kind::absent) continue;
    const bool apart = is_apart(value);
    if (!apart && names[i].alone) {
      members_.add(names[i].ready(), value);
      continue;
    }
    path_ = names[i].name();
    take(value, 0);
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

// Whether an object or a list, that is not empty, is taken apart itself.
bool Flatten::opens(char first, std::int64_t depth) const {
  return (first == '{' || config_.lists == Lists::index) && !(config_.max_depth && depth >= *config_.max_depth);
}

// How much of `json` the object took that it begins with.
std::size_t Flatten::members_of(std::string_view json, std::int64_t depth) {
  const std::size_t size = path_.size();
  encode::JsonMembers members(json);
  for (std::string_view name, rest; members.begin(name, rest);) {
    if (size > 0) path_ += separator_;
    canonical_.append(name, path_);
    members.passed(take_first(rest, depth));
    path_.resize(size);
  }
  return members.size();
}

// The same of a list.
std::size_t Flatten::items_of(std::string_view json, std::int64_t depth) {
  const std::size_t size = path_.size();
  encode::JsonItems items(json);
  std::string_view rest;
  for (std::uint32_t index = 0; items.begin(rest); ++index) {
    add_index(index);
    items.passed(take_first(rest, depth));
    path_.resize(size);
  }
  return items.size();
}

void Flatten::add_index(std::uint32_t index) {
  char digits[16];
  path_ += separator_;
  path_.append(digits, std::to_chars(digits, digits + sizeof digits, index).ptr);
}

// The field that path_ names, of the value that `json` begins with. How much of it that takes.
std::size_t Flatten::take_first(std::string_view json, std::int64_t depth) {
  const char first = json.empty() ? '\0' : json[0];
  const bool nested = is_nested(first);
  if (nested && opens(first, depth) && !is_empty(json) && !begins_one_value(json))
    return first == '{' ? members_of(json, depth + 1) : items_of(json, depth + 1);
  const std::size_t size = encode::json_size(json);
  if (size > json.size()) return size;
  const Value value = Value::of_text(Kind::json, json.substr(0, size));
  if (nested)
    take(value, depth);
  else
    put(value);
  return size;
}

// The same of a whole value.
void Flatten::take(const Value& value, std::int64_t depth) {
  const bool list = value.kind() == Kind::array;
  const std::string_view json = value.kind() == Kind::json ? value.as_text() : std::string_view();
  const char first = list ? '[' : first_of(json);
  if (!is_nested(first) || is_one_value(json)) return put(value);
  if (list ? value.as_array().empty() : is_empty(json)) {
    const OnEmpty policy = first == '{' ? config_.empty_object : config_.empty_list;
    if (policy != OnEmpty::drop) put(policy == OnEmpty::null ? Value::null() : value);
    return;
  }
  if (!opens(first, depth)) return put(value);
  if (!list) {
    first == '{' ? members_of(json, depth + 1) : items_of(json, depth + 1);
    return;
  }
  const std::size_t size = path_.size();
  std::uint32_t index = 0;
  for (const Value& item : value.as_array()) {
    add_index(index++);
    take(item, depth + 1);
    path_.resize(size);
  }
}

void Flatten::put(const Value& value) {
  // What the envelope has of its own stays, whatever wins elsewhere.
  const bool taken = of_envelope_ && encode::is_envelope_name(path_);
  const bool fresh = !taken && members_.put(path_, value, config_.on_collision == OnCollision::last);
  if (!fresh && config_.on_collision == OnCollision::error && collision_.empty()) collision_ = path_;
}

void add(Catalogue& catalogue) { catalogue.processors.add<Flatten>("flatten"); }

}  // namespace deltaforge::processors::flatten
