#include "sources/postgres/hstore_text.h"

namespace deltaforge::sources::postgres {
namespace {

struct Printer {
  std::string_view left;
  std::string& json;

  bool take(std::string_view token) {
    if (!left.starts_with(token)) return false;
    left.remove_prefix(token.size());
    return true;
  }

  bool pair() {
    if (!quoted() || !take("=>")) return false;
    json += ':';
    if (!take("NULL")) return quoted();
    json += "null";
    return true;
  }

  // Quotes and backslashes are escaped as JSON does it; controls are not escaped at all.
  bool quoted() {
    if (!take("\"")) return false;
    json += '"';
    while (!left.empty()) {
      const char c = left.front();
      left.remove_prefix(1);
      if (c == '\\') {
        if (left.empty() || (left.front() != '"' && left.front() != '\\')) return false;
        json.append({c, left.front()});
        left.remove_prefix(1);
      } else if (static_cast<unsigned char>(c) < 0x20) {
        json.append("\\u00").append({static_cast<char>('0' + (c >> 4)), "0123456789abcdef"[c & 15]});
      } else {
        json += c;
        if (c == '"') return true;
      }
    }
    return false;
  }
};

}  // namespace

bool decode_hstore(const Type&, std::span<char> text, Scratch& scratch, Value& out) {
  scratch.json = '{';
  Printer printer{{text.data(), text.size()}, scratch.json};
  while (!printer.left.empty()) {
    if (!printer.pair()) return false;
    if (printer.left.empty()) break;
    if (!printer.take(", ") || printer.left.empty()) return false;
    scratch.json += ',';
  }
  scratch.json += '}';
  out = Value::of_text(Kind::json, scratch.pages->copy(scratch.json));
  return true;
}

}  // namespace deltaforge::sources::postgres
