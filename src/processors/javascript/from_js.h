// JavaScript values as JSON and as values of a batch. False: a JavaScript exception is pending. May run code of the
// script (getters, proxies, toJSON), so it belongs inside Vm::guarded.
#pragma once

#include <string>
#include <string_view>

#include "core/value.h"
#include "encode/json_writer.h"

struct JSContext;
class JSString;
namespace JS {
class Value;
template <typename T>
class Handle;
}  // namespace JS

namespace deltaforge::processors::javascript {

// A Proxy of a list is one, as in Array.isArray.
bool is_list(JSContext*, JS::Handle<JS::Value>, bool& yes);

// How JSON is written of a script's values: as JSON.stringify does, but whole numbers below 2^63 are integers, and
// BigInt is one. `float_as`: the kind of a column of floats, whose whole numbers keep their `.0`; else null.
class JsonOut {
 public:
  // `most`: bytes that one call may make.
  JsonOut(JSContext* context, std::size_t most) : context_(context), left_(most) {}

  // Whether JSON has a word for it: not undefined, a function or a symbol.
  static bool has_word(const JS::Value&);
  bool value(JS::Handle<JS::Value>, encode::JsonWriter&, Kind float_as = Kind::null);
  bool text(JS::Handle<JSString*>, encode::JsonWriter&);
  // As text in UTF-8; lives until the next one.
  bool utf8(JS::Handle<JSString*>, std::string_view& to);
  // Counts what a call makes. False: too much.
  bool spend(std::size_t bytes);

 private:
  bool number(double, encode::JsonWriter&, Kind float_as);
  bool big(JS::Handle<JS::Value>, encode::JsonWriter&);
  bool object(JS::Handle<JS::Value>, encode::JsonWriter&);
  bool parts(JS::Handle<JS::Value>, encode::JsonWriter&);
  bool items(JS::Handle<JS::Value>, encode::JsonWriter&);
  bool members(JS::Handle<JS::Value>, encode::JsonWriter&);

  JSContext* const context_;
  std::size_t left_, unseen_ = 0;
  int depth_ = 0;
  unsigned steps_ = 0;
  std::string scratch_;
};

// Adds text as it is, and the rest as JSON. False with a pending exception: it cannot be shown.
bool append_for_people(JSContext*, JS::Handle<JS::Value>, std::string& to);

}  // namespace deltaforge::processors::javascript
