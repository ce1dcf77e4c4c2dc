// Text of somebody else that may be JSON. Not for several threads.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

namespace deltaforge {

class JsonText {
 public:
  JsonText();
  ~JsonText();

  // The same without the blanks between its parts, until the next call. Nothing: it is no JSON, is not UTF-8, nests
  // deeper than 1,000 levels or holds a number beyond a double.
  std::optional<std::string_view> compact(std::string_view text);

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace deltaforge
