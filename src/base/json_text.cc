#include "base/json_text.h"

#include <algorithm>
#include <string>

#include <simdjson.h>
#include <nlohmann/json.hpp>

namespace deltaforge {
namespace {
constexpr std::size_t kMostIdle = 1 << 20;  // of memory that is kept for the next call
constexpr std::size_t kDeepest = 1'000;

// How deep lists and objects nest in what is JSON, at most kDeepest + 1.
std::size_t depth_of(std::string_view text) {
  std::size_t depth = 0, deepest = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size() && deepest <= kDeepest; ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}
}  // namespace

struct JsonText::Parser {
  simdjson::dom::parser dom;
  std::string out;
};

JsonText::JsonText() : parser_(std::make_unique<Parser>()) {}
JsonText::~JsonText() = default;

std::optional<std::string_view> JsonText::compact(std::string_view text) {
  if (parser_->dom.capacity() > kMostIdle || parser_->out.size() > kMostIdle) parser_ = std::make_unique<Parser>();
  const auto error = parser_->dom.parse(text.data(), text.size()).error();
  // Whole numbers beyond 64 bits, which it does not keep, are JSON all the same.
  const bool number = error == simdjson::NUMBER_ERROR;
  if (error != simdjson::SUCCESS && !(number && depth_of(text) <= kDeepest && nlohmann::json::accept(text)))
    return std::nullopt;
  std::string& out = parser_->out;
  out.resize(text.size() + simdjson::SIMDJSON_PADDING);
  std::size_t size = 0;
  if (simdjson::minify(text.data(), text.size(), out.data(), size) != simdjson::SUCCESS) return std::nullopt;
  return std::string_view(out).substr(0, size);
}

}  // namespace deltaforge
