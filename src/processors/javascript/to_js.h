// Values of a batch as JavaScript values. False: a JavaScript exception is pending.
#pragma once

#include <string_view>

#include "core/value.h"

struct JSContext;
namespace JS {
class Value;
template <typename T>
class MutableHandle;
}  // namespace JS

namespace deltaforge::processors::javascript {

// Integers beyond 2^53 become BigInt, columns of JSON objects and lists, bytes and what the log did not repeat what
// they are in an event. Not of an absent value.
bool to_js(JSContext*, const Value&, JS::MutableHandle<JS::Value>);

// Of verified JSON. Numbers without point and exponent are integers.
bool json_to_js(JSContext*, std::string_view json, JS::MutableHandle<JS::Value>);

// A float32 is the number that its shortest decimals say, not their nearest float32: 0.1, not 0.10000000149011612.
double shown_as(float);

bool text_to_js(JSContext*, std::string_view utf8, JS::MutableHandle<JS::Value>);

}  // namespace deltaforge::processors::javascript
