#include "processors/javascript/from_js.h"

#include <cmath>
#include <cstdint>
#include <limits>

#include <js/Array.h>
#include <js/BigInt.h>
#include <js/CallAndConstruct.h>
#include <js/CharacterEncoding.h>
#include <js/Conversions.h>
#include <js/Date.h>
#include <js/Interrupt.h>
#include <js/Object.h>
#include <js/PropertyAndElement.h>
#include <js/String.h>
#include <js/experimental/TypedData.h>
#include <jsapi.h>
#include <jsfriendapi.h>

#include "base/slab.h"
#include "processors/javascript/to_js.h"

namespace deltaforge::processors::javascript {
namespace {

constexpr int kDeepest = 500;                  // as deep as what is read
constexpr unsigned kStepsBetweenLooks = 1024;  // at the limits
constexpr std::size_t kBytesBetweenLooks = 1 << 20;
constexpr double kWhole = 0x1p63;  // less is an int64
constexpr std::size_t kLongestLine = 8 * 1024;
constexpr std::size_t kLargestShown = 1 << 20;  // what a log line may be made of

bool is_callable(const JS::Value& value) { return value.isObject() && JS::IsCallable(&value.toObject()); }

}  // namespace

bool is_list(JSContext* context, JS::HandleValue value, bool& yes) {
  yes = false;
  if (!value.isObject()) return true;
  JS::RootedObject object(context, &value.toObject());
  return JS::IsArray(context, object, &yes);
}

bool JsonOut::has_word(const JS::Value& value) {
  return !value.isUndefined() && !value.isSymbol() && !is_callable(value);
}

bool JsonOut::spend(std::size_t bytes) {
  if (bytes <= left_) {
    left_ -= bytes;
    unseen_ += bytes;
    if (unseen_ < kBytesBetweenLooks) return true;
    unseen_ = 0;
    return JS_CheckForInterrupt(context_);
  }
  JS_ReportErrorUTF8(context_, "what a call gives back is larger than limits.mem_mb");
  return false;
}

bool JsonOut::utf8(JS::HandleString string, std::string_view& to) {
  if (JS::GetStringLength(string) > left_) return spend(std::numeric_limits<std::size_t>::max());
  JSLinearString* linear = JS_EnsureLinearString(context_, string);
  if (linear == nullptr) return false;
  bool plain = false;
  {
    const JS::AutoCheckCannotGC no_collection;
    if (JS::LinearStringHasLatin1Chars(linear)) {
      const auto* chars = reinterpret_cast<const char*>(JS::GetLatin1LinearStringChars(no_collection, linear));
      const std::size_t size = JS::GetLinearStringLength(linear);
      unsigned char all = 0;
      for (std::size_t i = 0; i < size; ++i) all |= static_cast<unsigned char>(chars[i]);
      plain = all < 0x80;
      if (plain) scratch_.assign(chars, size);
    }
  }
  if (!plain) {
    scratch_.resize(JS::GetDeflatedUTF8StringLength(linear));
    JS::DeflateStringToUTF8Buffer(linear, mozilla::Span(scratch_.data(), scratch_.size()));
  }
  to = scratch_;
  return spend(to.size());
}

bool JsonOut::text(JS::HandleString string, encode::JsonWriter& out) {
  std::string_view bytes;
  if (!utf8(string, bytes)) return false;
  return out.string(bytes) || (JS_ReportErrorUTF8(context_, "text that is not valid UTF-8"), false);
}

bool JsonOut::number(double number, encode::JsonWriter& out, Kind float_as) {
  if (!std::isfinite(number)) {
    out.raw("null");
  } else if (float_as == Kind::float32 && shown_as(static_cast<float>(number)) == number) {
    out.float32(static_cast<float>(number));
  } else if (std::trunc(number) == number && std::abs(number) < kWhole && float_as == Kind::null) {
    out.integer(static_cast<std::int64_t>(number));
  } else {
    out.float64(number);
  }
  return spend(8);
}

bool JsonOut::big(JS::HandleValue value, encode::JsonWriter& out) {
  JS::RootedBigInt number(context_, value.toBigInt());
  JS::RootedString digits(context_, JS::BigIntToString(context_, number, 10));
  std::string_view bytes;
  if (!digits || !utf8(digits, bytes)) return false;
  out.raw(bytes);
  return true;
}

bool JsonOut::value(JS::HandleValue value, encode::JsonWriter& out, Kind float_as) {
  if (++steps_ % kStepsBetweenLooks == 0 && !JS_CheckForInterrupt(context_)) return false;
  if (!spend(4)) return false;
  if (value.isString()) {
    JS::RootedString string(context_, value.toString());
    return text(string, out);
  }
  if (value.isNumber()) return number(value.toNumber(), out, float_as);
  if (value.isBoolean()) {
    out.raw(value.toBoolean() ? "true" : "false");
    return true;
  }
  if (value.isBigInt()) return big(value, out);
  if (!value.isObject() || is_callable(value)) {
    out.raw("null");
    return true;
  }
  if (++depth_ > kDeepest) {
    JS_ReportErrorUTF8(context_, "an object that holds itself, or is nested deeper than %d levels", kDeepest);
    return false;
  }
  const bool written = object(value, out);
  --depth_;
  return written;
}

bool JsonOut::object(JS::HandleValue value, encode::JsonWriter& out) {
  JS::RootedObject object(context_, &value.toObject());
  if (JS_IsArrayBufferViewObject(object)) {
    JS_ReportErrorUTF8(context_, "a typed array is no JSON: make a list of it with Array.from");
    return false;
  }
  JS::RootedValue to_json(context_);
  if (!JS_GetProperty(context_, object, "toJSON", &to_json)) return false;
  if (is_callable(to_json)) {
    JS::RootedValue replaced(context_);
    if (!JS::Call(context_, value, to_json, JS::HandleValueArray::empty(), &replaced)) return false;
    return replaced.isObject() ? parts(replaced, out) : this->value(replaced, out);
  }
  return parts(value, out);
}

bool JsonOut::parts(JS::HandleValue value, encode::JsonWriter& out) {
  bool list = false;
  if (!is_list(context_, value, list)) return false;
  return list ? items(value, out) : members(value, out);
}

bool JsonOut::items(JS::HandleValue value, encode::JsonWriter& out) {
  JS::RootedObject list(context_, &value.toObject());
  std::uint32_t count = 0;
  if (!JS::GetArrayLength(context_, list, &count)) return false;
  out.raw('[');
  JS::RootedValue item(context_);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!JS_GetElement(context_, list, i, &item)) return false;
    if (i > 0) out.raw(',');
    if (!this->value(item, out)) return false;
  }
  out.raw(']');
  return true;
}

bool JsonOut::members(JS::HandleValue value, encode::JsonWriter& out) {
  JS::RootedObject object(context_, &value.toObject());
  JS::RootedIdVector names(context_);
  if (!js::GetPropertyKeys(context_, object, JSITER_OWNONLY, &names)) return false;
  out.raw('{');
  bool any = false;
  JS::RootedValue member(context_), name(context_);
  for (std::size_t i = 0; i < names.length(); ++i) {
    if (!JS_GetPropertyById(context_, object, names[i], &member)) return false;
    if (!has_word(member)) continue;
    if (!JS_IdToValue(context_, names[i], &name)) return false;
    JS::RootedString string(context_, JS::ToString(context_, name));
    if (any) out.raw(',');
    any = true;
    if (!string || !text(string, out)) return false;
    out.raw(':');
    if (!this->value(member, out)) return false;
  }
  out.raw('}');
  return true;
}

bool append_for_people(JSContext* context, JS::HandleValue value, std::string& to) {
  JsonOut out(context, kLargestShown);
  if (value.isSymbol()) {
    to += "a symbol";
    return true;
  }
  JS::RootedString string(context);
  if (value.isObject() && !is_callable(value)) {
    JS::RootedObject object(context, &value.toObject());
    if (JS_ErrorFromException(context, object) == nullptr) {
      Slab slab;
      encode::JsonWriter json(slab);
      if (!out.value(value, json)) return false;
      json.commit();
      to += slab.view().substr(0, kLongestLine);
      return true;
    }
  }
  string = JS::ToString(context, value);
  std::string_view bytes;
  if (!string || !out.utf8(string, bytes)) return false;
  to += bytes;
  return true;
}

}  // namespace deltaforge::processors::javascript
