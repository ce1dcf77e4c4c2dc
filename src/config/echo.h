// Collects the effective configuration as JSON text, in the order written. For showing only: secrets are `***`, and so
// are passwords inside other text (config/redact.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace deltaforge::config {

class Echo {
 public:
  void begin_map();
  void end_map();
  void begin_list();
  void end_list();
  void key(std::string_view name);

  void null();
  void boolean(bool value);
  void number(std::int64_t value);
  void number(std::uint64_t value);
  void number(double value);
  void literal(std::string_view number);  // as it is written, which is as JSON does
  // What looks like a password inside it is masked.
  void string(std::string_view value);
  void secret(bool empty);  // an empty one shows as ""

  // Valid once every begin has its end.
  const std::string& text() const { return text_; }

 private:
  void separate();
  void quote(std::string_view value);

  std::string text_;
  bool first_ = true;  // nothing precedes the next entry at this level
};

}  // namespace deltaforge::config
