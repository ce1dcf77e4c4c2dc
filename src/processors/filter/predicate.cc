#include "processors/filter/predicate.h"

#include <algorithm>
#include <charconv>
#include <compare>
#include <string_view>

#include <re2/re2.h>

#include "encode/json_items.h"
#include "encode/json_member.h"

namespace deltaforge::processors::filter {
namespace {

// A value as the tests see it: text, a number or a truth value, or none of them. Decimals are both text and number.
struct Seen {
  std::optional<std::string_view> text;
  std::optional<long double> number;
  std::optional<bool> truth;
};

std::optional<long double> number_in(std::string_view text) {
  long double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// A text with escapes is written into `scratch`, where it lives until the next one.
Seen see_json(std::string_view json, Slab& scratch) {
  if (json.empty()) return {};
  switch (json[0]) {
    case '"': {
      const std::string_view inside = json.substr(1, json.size() - 2);
      if (inside.find('\\') == std::string_view::npos) return {.text = inside};
      scratch.truncate(0);
      if (!encode::append_unescaped(json, scratch)) return {};
      return {.text = scratch.view()};
    }
    case 't': return {.truth = true};
    case 'f': return {.truth = false};
    default: return {.number = number_in(json)};  // none in null, objects and lists
  }
}

Seen see(const Value& value, Slab& scratch) {
  switch (value.kind()) {
    case Kind::boolean: return {.truth = value.as_bool()};
    case Kind::int64: return {.number = value.as_int64()};
    case Kind::uint64: return {.number = value.as_uint64()};
    case Kind::float32:
    case Kind::float64: return {.number = value.as_real()};
    case Kind::decimal: return {.text = value.as_text(), .number = number_in(value.as_text())};
    case Kind::text:
    case Kind::date:
    case Kind::time:
    case Kind::datetime:
    case Kind::timestamp: return {.text = value.as_text()};
    case Kind::json: return see_json(value.as_text(), scratch);
    default: return {};
  }
}

bool equal(const Seen& seen, const Operand& operand) {
  if (operand.truth) return seen.truth == operand.truth;
  if (operand.number) return seen.number == operand.number;
  return seen.text == operand.text;
}

bool is_missing(const std::optional<Value>& value) {
  if (!value) return true;
  switch (value->kind()) {
    case Kind::null:
    case Kind::absent:
    case Kind::unchanged: return true;
    case Kind::json: return value->as_text() == "null";
    default: return false;
  }
}

}  // namespace

Predicate::Predicate(const Field& field) : path_(field.path), test_(field.op), operands_(field.value) {
  if (test_ == Test::regex) pattern_ = std::make_unique<re2::RE2>(operands_.at(0).text, re2::RE2::Quiet);
}

Predicate::~Predicate() = default;

bool Predicate::holds(const Event& event) {
  if (test_ == Test::changed) return changed(event);
  if (!event.after.present) return false;
  std::optional<Value> value = path_.find(event, encode::Side::after);
  // What an update did not repeat is as it was.
  if (event.op == Op::update && path_.is_untold(event, encode::Side::after))
    value = path_.find(event, encode::Side::before);
  const bool missing = is_missing(value);
  switch (test_) {
    case Test::exists: return !missing;
    case Test::not_exists: return missing;
    case Test::eq:
    case Test::in: return !missing && equals_any(*value);
    case Test::ne:
    case Test::not_in: return missing || !equals_any(*value);
    case Test::contains: return !missing && contains(*value);
    case Test::regex: {
      if (missing) return false;
      const Seen seen = see(*value, scratch_);
      return seen.text && re2::RE2::PartialMatch({seen.text->data(), seen.text->size()}, *pattern_);
    }
    default: return !missing && is_ordered(*value);
  }
}

bool Predicate::equals_any(const Value& value) {
  const Seen seen = see(value, scratch_);
  return std::ranges::any_of(operands_, [&](const Operand& operand) { return equal(seen, operand); });
}

// Numbers with numbers, text with text.
bool Predicate::is_ordered(const Value& value) {
  const Seen seen = see(value, scratch_);
  const Operand& operand = operands_[0];
  std::partial_ordering order = std::partial_ordering::unordered;
  if (operand.number && seen.number)
    order = *seen.number <=> *operand.number;
  else if (!operand.number && seen.text)
    order = seen.text->compare(operand.text) <=> 0;
  switch (test_) {
    case Test::gt: return order > 0;
    case Test::gte: return order >= 0;
    case Test::lt: return order < 0;
    default: return order <= 0;
  }
}

// Of text a part, of a list an item.
bool Predicate::contains(const Value& value) {
  const Operand& operand = operands_[0];
  if (value.kind() == Kind::array)
    return std::ranges::any_of(value.as_array(),
                               [&](const Value& item) { return equal(see(item, scratch_), operand); });
  if (value.kind() == Kind::json && value.as_text().starts_with('[')) {
    encode::JsonItems items(value.as_text());
    for (std::string_view item; items.next(item);)
      if (equal(see_json(item, scratch_), operand)) return true;
    return false;
  }
  const Seen seen = see(value, scratch_);
  return seen.text && seen.text->find(operand.text) != std::string_view::npos;
}

bool Predicate::changed(const Event& event) const {
  if (event.op != Op::update || !event.after.present) return true;
  if (path_.is_untold(event, encode::Side::after)) return false;  // the log says that it is as it was
  const auto before = path_.find(event, encode::Side::before), after = path_.find(event, encode::Side::after);
  if (is_missing(before) || is_missing(after)) return is_missing(before) != is_missing(after);
  return !(*before == *after);
}

}  // namespace deltaforge::processors::filter
