#include "encode/field.h"

#include <algorithm>

#include "encode/json_member.h"
#include "encode/json_writer.h"

namespace deltaforge::encode {
namespace {

const Image& image_of(const Event& event, Side side) { return side == Side::before ? event.before : event.after; }

std::string_view shown_instead(const Event& event, Side side) {
  if (event.extra == nullptr) return {};
  return side == Side::before ? event.extra->before : event.extra->after;
}

// Null when the image says nothing of the column.
const Value* column(const Event& event, Side side, std::string_view name) {
  const Image& image = image_of(event, side);
  if (!image.present) return nullptr;
  const auto& columns = event.schema->columns;
  const auto found = std::ranges::find(columns, name, &Column::name);
  return found == columns.end() ? nullptr : &image.values[static_cast<std::size_t>(found - columns.begin())];
}

std::optional<Value> below(std::string_view json, const std::vector<std::string>& names, std::size_t from) {
  for (std::size_t i = from; i < names.size(); ++i) {
    const auto member = json_member(json, names[i]);
    if (!member) return std::nullopt;
    json = *member;
  }
  return Value::of_text(Kind::json, json);
}

}  // namespace

FieldPath::FieldPath(std::string_view text) : text_(text) {
  for (;;) {
    const std::size_t dot = text.find('.');
    names_.emplace_back(text.substr(0, dot));
    if (dot == std::string_view::npos) return;
    text.remove_prefix(dot + 1);
  }
}

std::optional<Value> FieldPath::find(const Event& event, Side side) const {
  if (const std::string_view json = shown_instead(event, side); !json.empty()) {
    if (const auto whole = json_member(json, text_))
      return *whole == kUnchanged ? Value::unchanged() : Value::of_text(Kind::json, *whole);
    return names_.size() > 1 ? below(json, names_, 0) : std::nullopt;
  }
  if (const Value* value = column(event, side, text_)) return *value;
  const Value* value = names_.size() > 1 ? column(event, side, names_[0]) : nullptr;
  if (value == nullptr || value->kind() != Kind::json) return std::nullopt;
  return below(value->as_text(), names_, 1);
}

bool FieldPath::is_untold(const Event& event, Side side) const {
  if (const std::string_view json = shown_instead(event, side); !json.empty())
    return json_member(json, text_) == kUnchanged;
  const Value* value = column(event, side, text_);
  if (value == nullptr) value = column(event, side, names_[0]);
  return value != nullptr && (value->kind() == Kind::absent || value->kind() == Kind::unchanged);
}

}  // namespace deltaforge::encode
