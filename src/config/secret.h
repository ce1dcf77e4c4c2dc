// A value that cannot be printed: no formatter, no stream operator, no conversion. reveal() is for the one line that
// hands it to a client library.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace deltaforge::config {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  const std::string& reveal() const { return value_; }
  bool empty() const { return value_.empty(); }
  static constexpr std::string_view kMask = "***";

 private:
  std::string value_;
};

}  // namespace deltaforge::config
