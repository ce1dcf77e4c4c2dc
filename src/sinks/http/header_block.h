// The headers of one request, as libcurl takes them: a list that points into one text, so that a request costs no heap
// call of ours. One thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct curl_slist;

namespace deltaforge::sinks::http {

// A token of RFC 9110.
bool is_header_name(std::string_view);
// They say where a message ends and what the connection does: libcurl's own matter.
bool frames_the_message(std::string_view name);
// They tell the event: df-event-id, df-key, df-timestamp, idempotency-key.
bool is_of_the_sink(std::string_view name);

class HeaderBlock {
 public:
  HeaderBlock();
  HeaderBlock(const HeaderBlock&) = delete;
  HeaderBlock& operator=(const HeaderBlock&) = delete;
  ~HeaderBlock();

  static constexpr std::size_t kLargest = 64 * 1024;

  void clear();
  // Control characters in the value, CR, LF and NUL among them, are percent-encoded.
  void add(std::string_view name, std::string_view value);
  // Keeps libcurl from adding this one.
  void leave_out(std::string_view name);
  std::size_t size() const { return text_.size(); }
  // The lines, for tests.
  std::vector<std::string> lines() const;
  // Valid until the next call of anything here.
  curl_slist* list();

 private:
  std::string text_;  // lines with a NUL behind each
  std::vector<std::size_t> begins_;
  std::unique_ptr<curl_slist[]> nodes_;
  std::size_t capacity_ = 0;  // of nodes_
};

}  // namespace deltaforge::sinks::http
