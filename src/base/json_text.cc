#include "base/json_text.h"

#include <string>

#include <simdjson.h>
#include <nlohmann/json.hpp>

namespace deltaforge {
namespace {
constexpr std::size_t kMostIdle = 1 << 20;  // of memory that is kept for the next call
}

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
  if (error != simdjson::SUCCESS && !(number && nlohmann::json::accept(text))) return std::nullopt;
  std::string& out = parser_->out;
  out.resize(text.size() + simdjson::SIMDJSON_PADDING);
  std::size_t size = 0;
  if (simdjson::minify(text.data(), text.size(), out.data(), size) != simdjson::SUCCESS) return std::nullopt;
  return std::string_view(out).substr(0, size);
}

}  // namespace deltaforge
