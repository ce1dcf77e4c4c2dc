// Binary JSON, and what makes a new document of an old one.
//
//   size of the document u16, little-endian | document | diffs
//
// Must hold: what is printed is JSON in UTF-8, and its length is bounded by that of the bytes.
#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "fuzz.h"
#include "sources/mysql/json_binary.h"
#include "sources/mysql/json_diff.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace deltaforge;
  fuzz::Input in(data, size);
  const auto document = in.bytes(in.size16());
  const auto diffs = in.rest();
  PageBudget budget(1 << 20);
  Pages pages(budget);
  const auto check = [size](const Result<std::string_view>& text) {
    if (!text) return;
    fuzz::require(is_utf8(*text), "JSON is UTF-8:", *text);
    fuzz::require(nlohmann::json::accept(*text), "JSON is JSON:", *text);
    // The shortest number takes one byte and prints as up to 24; a control character prints as six.
    fuzz::require(text->size() <= 64 * (size + 1), "a small document is a small text");
  };
  check(sources::mysql::print_json(document, pages));
  check(sources::mysql::apply_json_diff(document, diffs, pages));
  return 0;
}
