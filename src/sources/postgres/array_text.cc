#include "sources/postgres/array_text.h"

#include <algorithm>
#include <cstring>

namespace deltaforge::sources::postgres {
namespace {

constexpr int kDeepest = 6;  // MAXDIM of the server

struct Parser {
  const Type& array;
  Scratch& scratch;
  char* at;
  char* end;

  bool is(char c) const { return at < end && *at == c; }

  // One pair of braces; `at` stands on the opening one.
  bool braces(int depth, Value& out) {
    std::size_t first = scratch.items.size();
    ++at;
    if (is('}')) {
      ++at;
      out = Value::array({});
      return true;
    }
    for (;;) {
      Value item;
      if (is('{') ? depth == kDeepest || !braces(depth + 1, item) : !element(item)) return false;
      scratch.items.push_back(item);
      if (is('}')) break;
      if (!is(array.delimiter)) return false;
      ++at;
    }
    ++at;
    std::size_t count = scratch.items.size() - first;
    auto items = scratch.pages->array<Value>(count);
    std::memcpy(static_cast<void*>(items.data()), scratch.items.data() + first, count * sizeof(Value));
    scratch.items.resize(first);
    out = Value::array(items);
    return true;
  }

  bool element(Value& out) {
    if (is('"')) return quoted(out);
    char* first = at;
    while (at < end && *at != array.delimiter && *at != '}') {
      if (*at == '"' || *at == '{' || *at == '\\') return false;
      ++at;
    }
    std::span<char> text(first, at);
    if (text.empty()) return false;
    if (text.size() == 4 && std::memcmp(first, "NULL", 4) == 0) {
      out = Value::null();
      return true;
    }
    return array.element->decode(*array.element, text, scratch, out);
  }

  bool quoted(Value& out) {
    char* first = ++at;
    char* to = at;
    while (at < end && *at != '"') {
      if (*at == '\\' && ++at == end) return false;
      *to++ = *at++;
    }
    if (at == end) return false;
    ++at;
    return array.element->decode(*array.element, {first, to}, scratch, out);
  }
};

}  // namespace

bool decode_array(const Type& type, std::span<char> text, Scratch& scratch, Value& out) {
  char* end = text.data() + text.size();
  char* at = text.data();
  if (at < end && *at == '[') {
    at = std::find(at, end, '=');
    if (at < end) ++at;
  }
  Parser parser{type, scratch, at, end};
  return parser.is('{') && parser.braces(1, out) && parser.at == end;
}

}  // namespace deltaforge::sources::postgres
