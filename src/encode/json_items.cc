#include "encode/json_items.h"

namespace deltaforge::encode {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

// Behind the string that begins at `at`.
std::size_t skip_string(std::string_view json, std::size_t at) {
  for (++at; at < json.size() && json[at] != '"'; ++at)
    if (json[at] == '\\') ++at;
  return at + 1;
}

// Behind the value that begins at `at`.
std::size_t skip_value(std::string_view json, std::size_t at) {
  for (int depth = 0; at < json.size();) {
    const char c = json[at];
    if (c == '"') {
      at = skip_string(json, at);
      if (depth == 0) return at;
      continue;
    }
    if (depth == 0 && (c == ',' || c == '}' || c == ']' || is_blank(c))) return at;
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && --depth == 0) return at + 1;
    ++at;
  }
  return at;
}

std::size_t skip_blanks(std::string_view json, std::size_t at) {
  while (at < json.size() && is_blank(json[at])) ++at;
  return at;
}

}  // namespace

std::size_t json_size(std::string_view json) { return skip_value(json, 0); }

JsonItems::JsonItems(std::string_view list) : json_(list), at_(skip_blanks(list, 0)) {
  at_ = at_ < json_.size() && json_[at_] == '[' ? at_ + 1 : json_.size();
}

bool JsonItems::begin(std::string_view& rest) {
  at_ = skip_blanks(json_, at_);
  if (at_ >= json_.size() || json_[at_] == ']') return false;
  rest = json_.substr(at_);
  return true;
}

void JsonItems::passed(std::size_t size) {
  at_ = skip_blanks(json_, at_ + size);
  if (at_ < json_.size() && json_[at_] == ',') ++at_;
}

bool JsonItems::next(std::string_view& item) {
  if (!begin(item)) return false;
  const std::size_t size = json_size(item);
  if (size > item.size() || size == 0) return false;
  item = item.substr(0, size);
  passed(size);
  return true;
}

JsonMembers::JsonMembers(std::string_view object) : json_(object), at_(skip_blanks(object, 0)) {
  at_ = at_ < json_.size() && json_[at_] == '{' ? at_ + 1 : json_.size();
}

bool JsonMembers::begin(std::string_view& name, std::string_view& rest) {
  at_ = skip_blanks(json_, at_);
  if (at_ >= json_.size() || json_[at_] != '"') return false;
  const std::size_t key_end = skip_string(json_, at_);
  if (key_end > json_.size()) return false;
  name = json_.substr(at_ + 1, key_end - at_ - 2);
  at_ = skip_blanks(json_, key_end);
  if (at_ >= json_.size() || json_[at_] != ':') return false;
  at_ = skip_blanks(json_, at_ + 1);
  rest = json_.substr(at_);
  return true;
}

void JsonMembers::passed(std::size_t size) {
  at_ = skip_blanks(json_, at_ + size);
  if (at_ < json_.size() && json_[at_] == ',')
    ++at_;
  else if (at_ < json_.size())
    json_ = json_.substr(0, at_);  // it was the last
}

bool JsonMembers::next(std::string_view& name, std::string_view& value) {
  if (!begin(name, value)) return false;
  const std::size_t size = json_size(value);
  if (size > value.size()) return false;
  value = value.substr(0, size);
  passed(size);
  return true;
}

}  // namespace deltaforge::encode
