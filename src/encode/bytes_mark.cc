#include "encode/bytes_mark.h"

#include "encode/json_writer.h"

namespace deltaforge::encode {
namespace {
constexpr std::string_view kEnd = "\"}";
}

std::size_t bytes_mark_size(std::string_view json) {
  if (!json.starts_with(kBytesBegin)) return 0;
  const std::size_t end = json.find_first_of("\"\\", kBytesBegin.size());  // base64 has no escapes
  return end != std::string_view::npos && json.substr(end).starts_with(kEnd) ? end + kEnd.size() : 0;
}

bool is_bytes_mark(std::string_view json) { return !json.empty() && bytes_mark_size(json) == json.size(); }

std::string_view base64_of(std::string_view mark) {
  return mark.substr(kBytesBegin.size(), mark.size() - kBytesBegin.size() - kEnd.size());
}

}  // namespace deltaforge::encode
