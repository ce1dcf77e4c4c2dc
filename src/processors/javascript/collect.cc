#include "processors/javascript/collect.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>
#include <js/Array.h>
#include <js/BigInt.h>
#include <js/CharacterEncoding.h>
#include <js/Conversions.h>
#include <js/Interrupt.h>
#include <js/Promise.h>
#include <js/PropertyAndElement.h>
#include <jsapi.h>
#include <jsfriendapi.h>

#include "base/ascii.h"
#include "base/bytes.h"
#include "core/copy_number.h"
#include "core/event_id.h"
#include "processors/javascript/to_js.h"

namespace deltaforge::processors::javascript {
namespace {

constexpr std::size_t kMostOutputs = 100'000;  // of one call
constexpr double kWhole = 0x1p63;              // less is an int64

bool is_float(Kind kind) { return kind == Kind::float32 || kind == Kind::float64; }

const Image& image_of(const Event& event, Side side) { return side == Side::before ? event.before : event.after; }
Image& image_of(Event& event, Side side) { return side == Side::before ? event.before : event.after; }

// The name of the event is the outbox's to give, not a script's.
bool is_event_id(std::string_view header) { return equal_ignoring_case(header, "df-event-id"); }

bool keeps(const Extra* given, const Header& header) {
  return given != nullptr && std::ranges::any_of(given->headers, [&](const Header& each) {
           return each.name == header.name && each.value == header.value;
         });
}

std::string_view& text_of(Extra& extra, Side side) { return side == Side::before ? extra.before : extra.after; }

}  // namespace

struct Collector::Draft {
  Event event;
  Extra extra;
  std::uint32_t input = 0;
  bool extra_changed = false;
  bool synthetic = false;
};

Collector::Collector(JSContext* context, Objects& objects, const Settings& settings, std::size_t most_bytes,
                     Scratch& scratch, std::vector<Output>& out)
    : context_(context),
      objects_(objects),
      settings_(settings),
      out_(out),
      json_(context, most_bytes),
      slab_(scratch.text),
      compare_(scratch.compare) {
  given_.resize(objects.count());
}

bool Collector::fail(const std::string& text) {
  JS_ReportErrorUTF8(context_, "%s", text.c_str());
  return false;
}

bool Collector::returned(JS::HandleValue value, JS::HandleValue given) {
  if (value.isNullOrUndefined()) return given.isNullOrUndefined() || returned(given, JS::UndefinedHandleValue);
  if (!value.isObject()) return fail("what is returned must be a list of events, one event, or nothing");
  JS::RootedObject object(context_, &value.toObject());
  if (JS::IsPromiseObject(object)) return fail("a promise was returned; events must be returned at once");
  bool list = false;
  if (!is_list(context_, value, list)) return false;
  if (!list) return one(value);
  std::uint32_t count = 0;
  JS::RootedValue item(context_);
  if (!JS::GetArrayLength(context_, object, &count)) return false;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!JS_GetElement(context_, object, i, &item) || !one(item)) return false;
  }
  return true;
}

bool Collector::one(JS::HandleValue value) {
  if (out_.size() >= kMostOutputs) return fail(fmt::format("one call gave back more than {} events", kMostOutputs));
  if (!value.isObject()) return fail("an item of the list that was returned is not an event");
  if (out_.size() % 1024 == 0 && !JS_CheckForInterrupt(context_)) return false;
  JS::RootedObject object(context_, &value.toObject());
  Draft draft;
  switch (objects_.event_of(object, draft.input)) {
    case Objects::Which::earlier: return fail("an event of an earlier call was returned");
    case Objects::Which::current: {
      draft.event = objects_.input(draft.input);
      const Watched& watched = objects_.watched(draft.input);
      ignored_ = ignored_ || watched.ignored;
      if (watched.touches != 0 || watched.added || watched.tags) {
        if (draft.event.extra != nullptr) draft.extra = *draft.event.extra;
        if (!touched(object, draft)) return false;
      }
      break;
    }
    case Objects::Which::foreign:
      if (!plain(object, draft)) return false;
  }
  return add(draft);
}

bool Collector::add(Draft& draft) {
  Given& given = given_[draft.input];
  last_ = draft.input;
  std::uint32_t further = 0;
  if (draft.synthetic || given.once)
    further = ++given.further;
  else
    given.once = true;
  if (further > 0) draft.event.fan_out = copy_number(settings_.copiers, draft.event.fan_out, further);
  if (draft.extra_changed) draft.event.extra = new (objects_.batch().pages().array<Extra>(1).data()) Extra(draft.extra);
  out_.push_back({objects_.place(draft.input), draft.event});
  return true;
}

// An input that the script has looked into.
bool Collector::touched(JS::HandleObject object, Draft& draft) {
  const Watched watched = objects_.watched(draft.input);
  bool further = watched.added || watched.removed, tags_touched = watched.tags;
  JS::RootedValue now(context_), original(context_);
  JS::RootedId id(context_);
  const auto read = [&](Member member) {
    id = objects_.key(member);
    return JS_GetPropertyById(context_, object, id, &now);
  };
  for (auto touch = objects_.touch(watched.touches); touch; touch = objects_.touch(touch->next)) {
    if (touch->what >= static_cast<std::uint32_t>(Member::other)) {
      further = true;
      continue;
    }
    const auto member = static_cast<Member>(touch->what);
    switch (member) {
      case Member::tags: tags_touched = true; continue;
      case Member::after:
      case Member::before:
        if (!read(member) || !image(draft, member == Member::after ? Side::after : Side::before, now)) return false;
        continue;
      case Member::routing:
        if (!read(member) || !routing(draft, now)) return false;
        continue;
      default:
        if (ignored_) continue;
        if (!read(member)) return false;
        objects_.original(touch->original, &original);
        if (now.asRawBits() != original.asRawBits()) ignored_ = true;
    }
  }
  if (tags_touched && (!read(Member::tags) || !tags(draft, now))) return false;
  return !further || further_members(draft, object);
}

// Else nothing would be left of what was meant: of a Set or a Map of events, of a generator.
bool Collector::is_like_event(JS::HandleObject object) {
  bool found = false;
  for (const char* name : {"after", "before", "event_id"})
    if (!found && !JS_HasProperty(context_, object, name, &found)) return false;
  return found ||
         fail(fmt::format("what was returned is no event but a {}: return events, or objects with before or after",
                          JS::GetClass(object)->name));
}

// An object that the script made: a copy of an input when it has the id of one, else something new.
bool Collector::plain(JS::HandleObject object, Draft& draft) {
  bool list = false, found = false;
  if (!JS::IsArray(context_, object, &list)) return false;
  if (list) return fail("an item of the list that was returned is a list, not an event");
  if (!is_like_event(object)) return false;
  if (!find_input(object, found)) return false;
  draft.input = last_;
  draft.event = objects_.input(last_);
  draft.synthetic = !found;
  draft.extra_changed = true;
  if (draft.synthetic) draft.extra.synthetic = objects_.batch().pages().copy(settings_.id);
  if (found && draft.event.extra != nullptr) draft.extra.synthetic = draft.event.extra->synthetic;
  if (draft.event.extra != nullptr) draft.extra.raw_payload = draft.event.extra->raw_payload;

  JS::RootedValue value(context_);
  const auto read = [&](const char* name) { return JS_GetProperty(context_, object, name, &value); };
  if (draft.synthetic) {
    if (!read("op")) return false;
    if (value.isString()) {
      JS::RootedString string(context_, value.toString());
      std::string_view op;
      if (!json_.utf8(string, op)) return false;
      if (op.size() != 1 || std::string_view("cudr").find(op[0]) == std::string_view::npos)
        return fail("op of a new event must be c, u, d or r");
      draft.event.op = static_cast<Op>(op[0]);
    }
  }
  return read("before") && image(draft, Side::before, value) && read("after") && image(draft, Side::after, value) &&
         read("tags") && tags(draft, value) && read("routing") && routing(draft, value) &&
         further_members(draft, object);
}

// A member of an object that the script made, but that is not the script's own: it is left out. That is worth a word,
// unless the input has the same.
bool Collector::note_copied(const Draft& draft, Member member, JS::HandleValue now) {
  if (ignored_ || now.isUndefined() || (draft.synthetic && member == Member::op)) return true;
  JS::RootedValue original(context_);
  for (auto touch = objects_.touch(objects_.watched(draft.input).touches); touch; touch = objects_.touch(touch->next)) {
    if (touch->what != static_cast<std::uint32_t>(member)) continue;
    objects_.original(touch->original, &original);
    if (now.asRawBits() == original.asRawBits() || (now.isObject() && original.isObject())) return true;
    if (!now.isString() || !original.isString()) break;
    JS::RootedString is(context_, now.toString()), was(context_, original.toString());
    std::int32_t order = 0;
    if (!JS_CompareStrings(context_, is, was, &order)) return false;
    if (order == 0) return true;
  }
  ignored_ = true;
  return true;
}

// Sets last_ to the input whose id the object has.
bool Collector::find_input(JS::HandleObject object, bool& found) {
  JS::RootedValue value(context_);
  if (!JS_GetProperty(context_, object, "event_id", &value)) return false;
  if (!value.isString()) return true;
  JS::RootedString string(context_, value.toString());
  std::string_view text;
  if (!json_.utf8(string, text)) return false;
  if (ids_.empty()) {
    for (std::uint32_t i = 0; i < objects_.count(); ++i) {
      const Event& event = objects_.input(i);
      ids_.emplace(to_string(event_id(std::as_const(objects_.batch()).commits()[event.commit], event)), i);
    }
  }
  scratch_.assign(text);
  if (const auto input = ids_.find(scratch_); input != ids_.end()) {
    last_ = input->second;
    found = true;
  }
  return true;
}

bool Collector::image(Draft& draft, Side side, JS::HandleValue now) {
  const Event& input = objects_.input(draft.input);
  const std::string_view shown = input.extra == nullptr ? std::string_view()
                                 : side == Side::before ? input.extra->before
                                                        : input.extra->after;
  std::string_view& to = text_of(draft.extra, side);
  bool list = false;
  if (!is_list(context_, now, list)) return false;
  // A payload of an outbox may be anything: it stays what it is while nobody changes it.
  if (!shown.empty() && JsonOut::has_word(now) && (list || !now.isObject())) {
    JS::RootedValue was(context_);
    std::string before, after;
    if (!json_to_js(context_, shown, &was) || !written(was, before) || !written(now, after)) return false;
    if (before == after) {
      to = shown;
      return true;
    }
  }
  if (list) return fail("before and after of an event must be objects or null");
  if (!now.isObject()) {
    if (!now.isNullOrUndefined()) return fail("before and after of an event must be objects or null");
    if (shown == "null" || (shown.empty() && !image_of(input, side).present)) {
      to = shown;
      return true;
    }
    to = "null";
    draft.extra_changed = true;
    return true;
  }
  JS::RootedObject object(context_, &now.toObject());
  std::uint32_t index = 0;
  Side which{};
  switch (objects_.image_of(object, index, which)) {
    case Objects::Which::earlier: return fail("before or after of an event of an earlier call was returned");
    case Objects::Which::current:
      if (index == draft.input && which == side) return looked_at(draft, side, object);
      break;
    case Objects::Which::foreign: break;
  }
  slab_.clear();
  encode::JsonWriter json(slab_);
  if (!image_text(draft, side, object, json)) return false;
  json.commit();
  if (!shown.empty()) {  // unchanged: as it was written
    JS::RootedValue was(context_);
    std::string text;
    if (!json_to_js(context_, shown, &was) || !written(was, text)) return false;
    if (text == slab_.view()) {
      to = shown;
      return true;
    }
  }
  to = objects_.batch().pages().copy(slab_.view());
  draft.extra_changed = true;
  return true;
}

bool Collector::written(JS::HandleValue value, std::string& to) {
  compare_.clear();
  encode::JsonWriter json(compare_);
  if (!json_.value(value, json)) return false;
  json.commit();
  to = compare_.view();
  return true;
}

// Columns that were looked at, against what they show now. Values are changed as values; a row that got or lost a
// name, or a column of its key, is held as text (ADR 0004), so that its key stays.
bool Collector::looked_at(Draft& draft, Side side, JS::HandleObject object) {
  const Watched watched = objects_.watched(draft.input, side);
  const Event& input = objects_.input(draft.input);
  const std::span<const Value> was = image_of(input, side).values;
  bool as_text = watched.added || watched.removed;
  std::span<Value> values;
  JS::RootedValue now(context_);
  JS::RootedId id(context_);
  for (auto touch = objects_.touch(watched.touches); touch && !as_text; touch = objects_.touch(touch->next)) {
    bool yes = false;
    id = objects_.column_key(*input.schema, touch->what);
    if (!JS_GetPropertyById(context_, object, id, &now) || !differs(was[touch->what], *touch, now, yes)) return false;
    if (!yes) continue;
    if (!JsonOut::has_word(now) || std::ranges::count(input.schema->key, touch->what) > 0) {
      as_text = true;
      break;
    }
    if (values.empty()) {
      values = objects_.batch().pages().array<Value>(was.size());
      std::ranges::copy(was, values.begin());
    }
    if (!column_value(now, was[touch->what], values[touch->what])) return false;
  }
  if (!as_text) {
    if (!values.empty()) image_of(draft.event, side).values = values;
    return true;
  }
  slab_.clear();
  encode::JsonWriter json(slab_);
  if (!image_text(draft, side, object, json)) return false;
  json.commit();
  text_of(draft.extra, side) = objects_.batch().pages().copy(slab_.view());
  draft.extra_changed = true;
  return true;
}

bool Collector::differs(const Value& was, const Touch& touch, JS::HandleValue now, bool& yes) {
  JS::RootedValue original(context_);
  objects_.original(touch.original, &original);
  yes = now.asRawBits() != original.asRawBits();
  if (yes || !now.isObject()) return true;
  std::string before, after;  // an object, that may have been changed inside
  if (!to_js(context_, was, &original) || !written(original, before) || !written(now, after)) return false;
  yes = before != after;
  return true;
}

bool Collector::column_value(JS::HandleValue now, const Value& was, Value& to) {
  Pages& pages = objects_.batch().pages();
  if (now.isString()) {
    JS::RootedString string(context_, now.toString());
    std::string_view text;
    if (!json_.utf8(string, text)) return false;
    to = Value::of_text(Kind::text, pages.copy(text));
    return true;
  }
  if (now.isNull()) {
    to = Value::null();
    return true;
  }
  if (now.isBoolean()) {
    to = Value::boolean(now.toBoolean());
    return true;
  }
  if (now.isNumber()) {
    const double number = now.toNumber();
    if (!std::isfinite(number)) {
      to = Value::null();
    } else if (was.kind() == Kind::float32 && shown_as(static_cast<float>(number)) == number) {
      to = Value::float32(static_cast<float>(number));
    } else if (!is_float(was.kind()) && std::trunc(number) == number && std::abs(number) < kWhole) {
      to = Value::int64(static_cast<std::int64_t>(number));
    } else {
      to = Value::float64(number);
    }
    return true;
  }
  if (now.isBigInt()) {
    std::int64_t signed_number = 0;
    std::uint64_t number = 0;
    if (JS::BigIntFits(now.toBigInt(), &signed_number)) {
      to = Value::int64(signed_number);
      return true;
    }
    if (JS::BigIntFits(now.toBigInt(), &number)) {
      to = Value::uint64(number);
      return true;
    }
  }
  std::string text;
  if (!written(now, text)) return false;
  to = Value::of_text(Kind::json, pages.copy(text));
  return true;
}

bool Collector::image_text(Draft& draft, Side side, JS::HandleObject object, encode::JsonWriter& json) {
  const Event& input = objects_.input(draft.input);
  const std::span<const Value> values = image_of(input, side).values;
  std::uint32_t index = 0;
  Side which{};
  const bool own =
      objects_.image_of(object, index, which) == Objects::Which::current && index == draft.input && which == side;
  std::vector<bool> same(own ? values.size() : 0);  // as the log has it
  for (std::size_t i = 0; i < same.size(); ++i) same[i] = values[i].kind() != Kind::absent;
  JS::RootedValue now(context_), name(context_);
  JS::RootedId id(context_);
  if (own) {
    const Watched watched = objects_.watched(draft.input, side);
    for (auto touch = objects_.touch(watched.touches); touch; touch = objects_.touch(touch->next)) {
      bool yes = false;
      id = objects_.column_key(*input.schema, touch->what);
      if (!JS_GetPropertyById(context_, object, id, &now) || !differs(values[touch->what], *touch, now, yes))
        return false;
      same[touch->what] = !yes;
    }
  }
  JS::RootedIdVector names(context_);
  if (!js::GetPropertyKeys(context_, object, JSITER_OWNONLY, &names)) return false;
  json.raw('{');
  for (std::size_t i = 0; i < names.length(); ++i) {
    const std::uint32_t* column = objects_.column_of(*input.schema, names[i]);
    const Value* was = column != nullptr && *column < values.size() ? &values[*column] : nullptr;
    const bool keeps = was != nullptr && own && same[*column];
    if (!keeps && !JS_GetPropertyById(context_, object, names[i], &now)) return false;
    if (!keeps && !JsonOut::has_word(now)) continue;
    if (!JS_IdToValue(context_, names[i], &name)) return false;
    JS::RootedString string(context_, JS::ToString(context_, name));
    if (!string || !json_.text(string, json)) return false;
    json.raw(':');
    if (keeps) {
      if (!json.value(*was)) return fail("text that is not valid UTF-8");
    } else if (!json_.value(now, json, was != nullptr && is_float(was->kind()) ? was->kind() : Kind::null)) {
      return false;
    }
    json.raw(',');
  }
  json.close('}');
  return true;
}

bool Collector::tags(Draft& draft, JS::HandleValue value) {
  draft.extra_changed = true;
  draft.extra.tags = {};
  if (value.isNullOrUndefined()) return true;
  bool list = false;
  if (!is_list(context_, value, list)) return false;
  if (!list) return fail("tags of an event must be a list of texts");
  JS::RootedObject object(context_, &value.toObject());
  std::uint32_t count = 0;
  if (!JS::GetArrayLength(context_, object, &count) || !json_.spend(std::size_t{count} * sizeof(std::string_view)))
    return false;
  Pages& pages = objects_.batch().pages();
  const auto tags = pages.array<std::string_view>(count);
  JS::RootedValue item(context_);
  for (std::uint32_t i = 0; i < count; ++i) {
    std::string_view text;
    if (!JS_GetElement(context_, object, i, &item)) return false;
    if (!item.isString()) return fail("tags of an event must be a list of texts");
    JS::RootedString string(context_, item.toString());
    if (!json_.utf8(string, text)) return false;
    new (&tags[i]) std::string_view(pages.copy(text));
  }
  draft.extra.tags = tags;
  return true;
}

// Text, or a number or truth value as text.
bool Collector::plain_text(JS::HandleValue value, const char* what, std::string_view& to) {
  if (value.isObject() || value.isSymbol()) return fail(fmt::format("{} must be text", what));
  JS::RootedString string(context_, JS::ToString(context_, value));
  if (!string || !json_.utf8(string, to)) return false;
  to = objects_.batch().pages().copy(to);
  return true;
}

bool Collector::routing(Draft& draft, JS::HandleValue value) {
  draft.extra_changed = true;
  draft.extra.topic.reset();
  draft.extra.key.reset();
  draft.extra.headers = {};
  if (value.isNullOrUndefined()) return true;
  if (!value.isObject()) return fail("routing of an event must be an object: {topic, key, headers}");
  JS::RootedObject object(context_, &value.toObject());
  JS::RootedValue part(context_);
  std::string_view text;
  if (!JS_GetProperty(context_, object, "topic", &part)) return false;
  if (!part.isNullOrUndefined()) {
    if (!plain_text(part, "the topic of a route", text)) return false;
    draft.extra.topic = text;
  }
  if (!JS_GetProperty(context_, object, "key", &part)) return false;
  if (!part.isNullOrUndefined()) {
    if (!plain_text(part, "the key of a route", text)) return false;
    draft.extra.key = text;
  }
  return JS_GetProperty(context_, object, "headers", &part) && headers(draft, part);
}

bool Collector::headers(Draft& draft, JS::HandleValue value) {
  if (value.isNullOrUndefined()) return true;
  if (!value.isObject()) return fail("the headers of a route must be an object");
  JS::RootedObject object(context_, &value.toObject());
  JS::RootedIdVector names(context_);
  if (!js::GetPropertyKeys(context_, object, JSITER_OWNONLY, &names)) return false;
  if (!json_.spend(names.length() * sizeof(Header))) return false;
  Pages& pages = objects_.batch().pages();
  const auto headers = pages.array<Header>(names.length());
  JS::RootedValue name(context_), each(context_);
  std::size_t count = 0;
  for (std::size_t i = 0; i < names.length(); ++i) {
    Header header;
    if (!JS_GetPropertyById(context_, object, names[i], &each) || !JS_IdToValue(context_, names[i], &name))
      return false;
    if (each.isNullOrUndefined()) continue;
    if (!plain_text(name, "the name of a header", header.name) ||
        !plain_text(each, "the value of a header", header.value))
      return false;
    if (is_event_id(header.name) && !keeps(objects_.input(draft.input).extra, header)) {
      ignored_ = true;
      continue;
    }
    new (&headers[count++]) Header(header);
  }
  draft.extra.headers = headers.first(count);
  return true;
}

// Members of the envelope under names that are not taken.
bool Collector::further_members(Draft& draft, JS::HandleObject object) {
  JS::RootedIdVector names(context_);
  if (!js::GetPropertyKeys(context_, object, JSITER_OWNONLY, &names)) return false;
  slab_.clear();
  encode::JsonWriter json(slab_);
  JS::RootedValue name(context_), value(context_);
  std::uint32_t input = 0;
  const bool is_copy = objects_.event_of(object, input) == Objects::Which::foreign;
  bool any = false;
  for (std::size_t i = 0; i < names.length(); ++i) {
    if (const Member member = objects_.member_of(names[i]); member != Member::other) {
      if (!is_copy || is_free(member)) continue;
      if (!JS_GetPropertyById(context_, object, names[i], &value) || !note_copied(draft, member, value)) return false;
      continue;
    }
    if (!JS_GetPropertyById(context_, object, names[i], &value) || !JS_IdToValue(context_, names[i], &name))
      return false;
    if (!JsonOut::has_word(value)) continue;
    JS::RootedString string(context_, JS::ToString(context_, name));
    if (any) json.raw(',');
    any = true;
    if (!string || !json_.text(string, json)) return false;
    json.raw(':');
    if (!json_.value(value, json)) return false;
  }
  json.commit();
  draft.extra.members = objects_.batch().pages().copy(slab_.view());
  draft.extra_changed = true;
  return true;
}

}  // namespace deltaforge::processors::javascript
