#include "processors/filter/predicate.h"

#include <algorithm>
#include <charconv>
#include <compare>
#include <limits>
#include <string_view>

#include <re2/re2.h>

#include "encode/json_items.h"
#include "encode/json_member.h"
#include "processors/filter/decimals.h"

namespace deltaforge::processors::filter {
namespace {

static_assert(std::numeric_limits<long double>::digits >= 64, "it holds every integer of a column");

// A value as the tests see it: text, a number or a truth value, or none of them. Decimals are both text and number.
struct Seen {
  enum class Width { exact, real64, real32 };

  std::optional<std::string_view> text;
  std::optional<long double> number;
  std::string_view digits = {};  // of the number, where it may be more exact than `number`
  Width width = Width::exact;    // of the number
  std::optional<bool> truth;
};

std::string_view trimmed(std::string_view json) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t first = json.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return json.substr(first, json.find_last_not_of(kBlanks) + 1 - first);
}

// Of a decimal or of JSON. What does not end with a digit is no number: NaN, Infinity, null, a list.
std::optional<long double> number_in(std::string_view text) {
  if (text.empty() || text.back() < '0' || text.back() > '9') return std::nullopt;
  long double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// Of JSON without blanks around it. A text with escapes is written into `scratch`, where it lives until the next one.
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
    default: return {.number = number_in(json), .digits = json};  // none in null, objects and lists
  }
}

Seen see(const Value& value, Slab& scratch) {
  switch (value.kind()) {
    case Kind::boolean: return {.truth = value.as_bool()};
    case Kind::int64: return {.number = value.as_int64()};
    case Kind::uint64: return {.number = value.as_uint64()};
    case Kind::float32: return {.number = value.as_real(), .width = Seen::Width::real32};
    case Kind::float64: return {.number = value.as_real(), .width = Seen::Width::real64};
    case Kind::decimal:
      return {.text = value.as_text(), .number = number_in(value.as_text()), .digits = value.as_text()};
    case Kind::text:
    case Kind::date:
    case Kind::time:
    case Kind::datetime:
    case Kind::timestamp: return {.text = value.as_text()};
    case Kind::json: return see_json(trimmed(value.as_text()), scratch);
    default: return {};
  }
}

// Numbers with numbers - as the column would hold the operand: 0.1 is no binary fraction -, text with text.
std::partial_ordering order(const Seen& seen, const Operand& operand) {
  if (!operand.number) return seen.text ? seen.text->compare(operand.text) <=> 0 : std::partial_ordering::unordered;
  if (!seen.number) return std::partial_ordering::unordered;
  switch (seen.width) {
    case Seen::Width::real32: return static_cast<float>(*seen.number) <=> static_cast<float>(operand.real);
    case Seen::Width::real64: return static_cast<double>(*seen.number) <=> operand.real;
    default: {
      const std::partial_ordering found = *seen.number <=> *operand.number;
      if (found != 0) return found;                     // rounding keeps the order
      if (seen.digits.empty()) return operand.rounded;  // integers are held exactly
      return seen.digits == operand.text ? std::strong_ordering::equal : compare_decimals(seen.digits, operand.text);
    }
  }
}

bool equal(const Seen& seen, const Operand& operand) {
  if (operand.truth) return seen.truth == operand.truth;
  return order(seen, operand) == 0;
}

// Of values that are held in different ways, one of them as JSON: a processor has written one image anew.
bool same(const Seen& one, const Seen& other) {
  if (one.truth || other.truth) return one.truth == other.truth;
  if (one.text && other.text) return one.text == other.text;
  if (!one.number || !other.number) return false;
  const Seen::Width width = std::max(one.width, other.width);
  if (width == Seen::Width::real32) return static_cast<float>(*one.number) == static_cast<float>(*other.number);
  if (width == Seen::Width::real64) return static_cast<double>(*one.number) == static_cast<double>(*other.number);
  return *one.number == *other.number;
}

bool is_missing(const std::optional<Value>& value) {
  if (!value) return true;
  switch (value->kind()) {
    case Kind::null:
    case Kind::absent:
    case Kind::unchanged: return true;
    case Kind::json: return trimmed(value->as_text()) == "null";
    default: return false;
  }
}

}  // namespace

Predicate::Predicate(const Field& field) : path_(field.path), test_(field.op), operands_(field.value.all) {
  if (test_ == Test::regex) pattern_ = std::make_unique<re2::RE2>(operands_.at(0).text, re2::RE2::Quiet);
}

Predicate::~Predicate() = default;

bool Predicate::holds(const Event& event) {
  if (test_ == Test::changed) return changed(event);
  if (!event.after.present) return false;
  std::optional<Value> value = path_.find(event, encode::Side::after);
  // What an update did not repeat is as it was.
  if (event.op == Op::update && path_.is_untold(event, encode::Side::after))
    if (auto before = path_.find(event, encode::Side::before); before && !is_missing(before)) value = before;
  const bool missing = is_missing(value);
  switch (test_) {
    // What the log leaves out for its size is there.
    case Test::exists: return !missing || (value && value->kind() == Kind::unchanged);
    case Test::not_exists: return missing && !(value && value->kind() == Kind::unchanged);
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

bool Predicate::is_ordered(const Value& value) {
  const std::partial_ordering found = order(see(value, scratch_), operands_[0]);
  switch (test_) {
    case Test::gt: return found > 0;
    case Test::gte: return found >= 0;
    case Test::lt: return found < 0;
    default: return found <= 0;
  }
}

// Of text a part, of a list an item.
bool Predicate::contains(const Value& value) {
  const Operand& operand = operands_[0];
  if (value.kind() == Kind::array)
    return std::ranges::any_of(value.as_array(),
                               [&](const Value& item) { return equal(see(item, scratch_), operand); });
  if (value.kind() == Kind::json && trimmed(value.as_text()).starts_with('[')) {
    encode::JsonItems items(value.as_text());
    for (std::string_view item; items.next(item);)
      if (equal(see_json(item, scratch_), operand)) return true;
    return false;
  }
  const Seen seen = see(value, scratch_);
  return seen.text && seen.text->find(operand.text) != std::string_view::npos;
}

bool Predicate::changed(const Event& event) {
  if (event.op != Op::update || !event.after.present) return true;
  if (path_.is_untold(event, encode::Side::after)) return false;  // the log says that it is as it was
  // What it was nobody knows: it may have been something else.
  if (!event.before.present || path_.is_untold(event, encode::Side::before)) return true;
  const auto before = path_.find(event, encode::Side::before), after = path_.find(event, encode::Side::after);
  if (is_missing(before) || is_missing(after)) return is_missing(before) != is_missing(after);
  if (before->kind() == after->kind()) return !(*before == *after);
  return !same(see(*before, scratch_), see(*after, scratch_));
}

}  // namespace deltaforge::processors::filter
