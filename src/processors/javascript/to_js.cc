#include "processors/javascript/to_js.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>

#include <js/Array.h>
#include <js/BigInt.h>
#include <js/CharacterEncoding.h>
#include <js/Interrupt.h>
#include <js/PropertyAndElement.h>
#include <jsapi.h>

#include "base/slab.h"
#include "encode/json_items.h"
#include "encode/json_member.h"
#include "encode/json_writer.h"

namespace deltaforge::processors::javascript {
namespace {

constexpr std::int64_t kExact = std::int64_t{1} << 53;
constexpr int kDeepest = 500;
// Of an integer: making a BigInt takes the square of it, and nothing can stop that.
constexpr std::size_t kMostDigits = 4096;

bool integer(JSContext* context, std::int64_t number, JS::MutableHandleValue to) {
  if (number >= -kExact && number <= kExact) {
    to.setNumber(static_cast<double>(number));
    return true;
  }
  JS::BigInt* big = JS::NumberToBigInt(context, number);
  if (big != nullptr) to.setBigInt(big);
  return big != nullptr;
}

bool natural(JSContext* context, std::uint64_t number, JS::MutableHandleValue to) {
  if (number <= static_cast<std::uint64_t>(kExact)) return integer(context, static_cast<std::int64_t>(number), to);
  JS::BigInt* big = JS::NumberToBigInt(context, number);
  if (big != nullptr) to.setBigInt(big);
  return big != nullptr;
}

// As it is written: its exponent may be anything.
bool is_zero(std::string_view number) {
  return number.substr(0, number.find_first_of("eE")).find_first_of("123456789") == std::string_view::npos;
}

bool json_number(JSContext* context, std::string_view text, JS::MutableHandleValue to) {
  const char* const end = text.data() + text.size();
  if (text.find_first_of(".eE") == std::string_view::npos && text != "-0") {
    std::int64_t number = 0;
    if (std::from_chars(text.data(), end, number).ec == std::errc()) return integer(context, number, to);
    if (text.size() > kMostDigits) {
      JS_ReportErrorUTF8(context, "a column of JSON has an integer of more than %zu digits", kMostDigits);
      return false;
    }
    JS::RootedValue digits(context);
    if (!text_to_js(context, text, &digits)) return false;
    JS::BigInt* big = JS::ToBigInt(context, digits);
    if (big != nullptr) to.setBigInt(big);
    return big != nullptr;
  }
  double number = 0;
  if (std::from_chars(text.data(), end, number).ec == std::errc::result_out_of_range)
    number = std::strtod(std::string(text).c_str(), nullptr);  // almost nothing, or too much
  if (std::isinf(number) || (number == 0 && !is_zero(text))) {
    JS_ReportErrorUTF8(context, "a column of JSON has the number %s, which is beyond what a script can hold",
                       std::string(text.substr(0, 40)).c_str());
    return false;
  }
  to.setDouble(number);
  return true;
}

bool json_string(JSContext* context, std::string_view quoted, JS::MutableHandleValue to) {
  const std::string_view inside = quoted.substr(1, quoted.size() - 2);
  if (inside.find('\\') == std::string_view::npos) return text_to_js(context, inside, to);
  thread_local Slab slab;
  slab.clear();
  if (!encode::append_unescaped(quoted, slab)) {
    JS_ReportErrorUTF8(context, "text in JSON that has half a surrogate pair");
    return false;
  }
  return text_to_js(context, slab.view(), to);
}

bool member_name(JSContext* context, std::string_view written, JS::MutableHandleId to) {
  JS::RootedValue name(context);
  if (!json_string(context, {written.data() - 1, written.size() + 2}, &name)) return false;
  JS::RootedString text(context, name.toString());
  return JS_StringToId(context, text, to);
}

bool any_json(JSContext* context, std::string_view json, int depth, JS::MutableHandleValue to) {
  const std::size_t begin = json.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos || depth > kDeepest) {
    JS_ReportErrorUTF8(context, "JSON that is nested deeper than %d levels", kDeepest);
    return false;
  }
  if (!JS_CheckForInterrupt(context)) return false;
  const std::size_t last = json.find_last_not_of(" \t\r\n");
  json = json.substr(begin, last - begin + 1);
  switch (json[0]) {
    case 'n': to.setNull(); return true;
    case 't': to.setBoolean(true); return true;
    case 'f': to.setBoolean(false); return true;
    case '"': return json_string(context, json, to);
    case '[': {
      JS::RootedValueVector items(context);
      encode::JsonItems all(json);
      JS::RootedValue item(context);
      for (std::string_view each; all.next(each);)
        if (!any_json(context, each, depth + 1, &item) || !items.append(item)) return false;
      JSObject* list = JS::NewArrayObject(context, items);
      if (list != nullptr) to.setObject(*list);
      return list != nullptr;
    }
    case '{': {
      JS::RootedObject object(context, JS_NewPlainObject(context));
      encode::JsonMembers all(json);
      JS::RootedValue member(context);
      JS::RootedId id(context);
      if (!object) return false;
      for (std::string_view name, value; all.next(name, value);) {
        if (!member_name(context, name, &id) || !any_json(context, value, depth + 1, &member) ||
            !JS_DefinePropertyById(context, object, id, member, JSPROP_ENUMERATE))
          return false;
      }
      to.setObject(*object);
      return true;
    }
    default: return json_number(context, json, to);
  }
}

// {"_base64":"..."} and {"_unchanged":true}: what the encoder writes of it.
bool as_written(JSContext* context, const Value& value, JS::MutableHandleValue to) {
  thread_local Slab slab;
  slab.clear();
  encode::JsonWriter writer(slab);
  if (!writer.value(value)) {
    JS_ReportErrorUTF8(context, "text that is not valid UTF-8");
    return false;
  }
  writer.commit();
  return json_to_js(context, slab.view(), to);
}

bool list(JSContext* context, const Value& value, JS::MutableHandleValue to) {
  JS::RootedValueVector items(context);
  JS::RootedValue item(context);
  for (const Value& each : value.as_array())
    if (!to_js(context, each, &item) || !items.append(item)) return false;
  JSObject* object = JS::NewArrayObject(context, items);
  if (object != nullptr) to.setObject(*object);
  return object != nullptr;
}

}  // namespace

bool text_to_js(JSContext* context, std::string_view utf8, JS::MutableHandleValue to) {
  JSString* text = JS_NewStringCopyUTF8N(context, JS::UTF8Chars(utf8.data(), utf8.size()));
  if (text != nullptr) to.setString(text);
  return text != nullptr;
}

bool json_to_js(JSContext* context, std::string_view json, JS::MutableHandleValue to) {
  return any_json(context, json, 0, to);
}

double shown_as(float number) {
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  double read = number;  // of what is no number, too
  std::from_chars(text.data(), end, read);
  return read;
}

bool to_js(JSContext* context, const Value& value, JS::MutableHandleValue to) {
  switch (value.kind()) {
    case Kind::null:
    case Kind::absent: to.setNull(); return true;
    case Kind::boolean: to.setBoolean(value.as_bool()); return true;
    case Kind::int64: return integer(context, value.as_int64(), to);
    case Kind::uint64: return natural(context, value.as_uint64(), to);
    case Kind::float32: to.setDouble(shown_as(static_cast<float>(value.as_real()))); return true;
    case Kind::float64: to.setDouble(value.as_real()); return true;
    case Kind::json: return json_to_js(context, value.as_text(), to);
    case Kind::array: return list(context, value, to);
    case Kind::bytes:
    case Kind::unchanged: return as_written(context, value, to);
    default: return text_to_js(context, value.as_text(), to);
  }
}

}  // namespace deltaforge::processors::javascript
