// Looks a field of an event up by its path: a column, or a member below one that holds JSON. No heap.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/event.h"

namespace deltaforge::encode {

enum class Side { before, after };

class FieldPath {
 public:
  // Names between dots; a name that has dots itself is found first.
  explicit FieldPath(std::string_view text);
  FieldPath(std::string text, std::vector<std::string> names) : text_(std::move(text)), names_(std::move(names)) {}

  const std::string& text() const { return text_; }
  // Nothing: the image does not say, or there is none. What lies in JSON comes as Kind::json, also a lone null.
  std::optional<Value> find(const Event&, Side) const;
  // The column that it is, or lies in, tells nothing: absent, or unchanged.
  bool is_untold(const Event&, Side) const;

 private:
  std::string text_;
  std::vector<std::string> names_;
};

}  // namespace deltaforge::encode
