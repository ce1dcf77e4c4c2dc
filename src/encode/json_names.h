// Names of members that are written in different ways, "a" and "\u0061", become equal text, so that text can be
// compared and no object gets a name twice.
#pragma once

#include <string>
#include <string_view>

#include "base/slab.h"

namespace deltaforge::encode {

class JsonNames {
 public:
  // Appends a name that stands between quotes in valid JSON, as JsonWriter would write it. The half of a character that
  // cannot be written as UTF-8 stays an escape, in small letters.
  void append(std::string_view name, std::string& to) {
    if (name.find('\\') == std::string_view::npos) [[likely]]
      to += name;
    else
      append_escaped(name, to);
  }

 private:
  void append_escaped(std::string_view name, std::string& to);
  bool append_said(std::string_view escapes, std::string& to);

  Slab plain_, written_;  // reused
};

}  // namespace deltaforge::encode
