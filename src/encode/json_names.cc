#include "encode/json_names.h"

#include <algorithm>

#include "base/ascii.h"
#include "encode/json_member.h"
#include "encode/json_writer.h"

namespace deltaforge::encode {
namespace {
constexpr std::size_t kUnit = 6;  // \u0078
}

// Piece by piece: an escape, two that may be one character, or what stands before the next one.
void JsonNames::append_escaped(std::string_view name, std::string& to) {
  while (!name.empty()) {
    if (name[0] != '\\') {
      const std::string_view plain = name.substr(0, name.find('\\'));
      to += plain;
      name.remove_prefix(plain.size());
      continue;
    }
    const bool is_unit = name.substr(1).starts_with('u');
    const std::size_t size = std::min<std::size_t>(is_unit ? kUnit : 2, name.size());
    const std::string_view pair = name.substr(0, 2 * kUnit);
    if (is_unit && name.substr(size).starts_with("\\u") && append_said(pair, to)) {
      name.remove_prefix(pair.size());
      continue;
    }
    if (!append_said(name.substr(0, size), to))
      for (const char c : name.substr(0, size)) to += to_lower(c);
    name.remove_prefix(size);
  }
}

// False: it cannot be written as UTF-8.
bool JsonNames::append_said(std::string_view escapes, std::string& to) {
  plain_.truncate(0);
  written_.truncate(0);
  const std::string quoted = '"' + std::string(escapes) + '"';
  JsonWriter json(written_);
  if (!append_unescaped(quoted, plain_) || !json.string(plain_.view())) return false;
  json.commit();
  const std::string_view text = written_.view();
  to += text.substr(1, text.size() - 2);
  return true;
}

}  // namespace deltaforge::encode
