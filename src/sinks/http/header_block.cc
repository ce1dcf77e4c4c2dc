#include "sinks/http/header_block.h"

#include <algorithm>
#include <array>

#include <curl/curl.h>

#include "base/ascii.h"

namespace deltaforge::sinks::http {
namespace {

constexpr auto kFraming =
    std::to_array<std::string_view>({"connection", "content-length", "expect", "http2-settings", "keep-alive",
                                     "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"});
constexpr auto kOfTheSink =
    std::to_array<std::string_view>({"df-event-id", "df-key", "df-timestamp", "idempotency-key"});

template <class List>
bool among(const List& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(),
                     [&](std::string_view each) { return equal_ignoring_case(each, name); });
}

void append_value(std::string_view value, std::string& out) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte >= ' ' && byte != 127) || c == '\t') {
      out += c;
      continue;
    }
    out += '%';
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
}

}  // namespace

bool is_header_name(std::string_view name) {
  constexpr std::string_view others = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           others.find(c) != std::string_view::npos;
  });
}

bool frames_the_message(std::string_view name) { return among(kFraming, name); }

bool is_of_the_sink(std::string_view name) { return among(kOfTheSink, name); }

HeaderBlock::HeaderBlock() = default;
HeaderBlock::~HeaderBlock() = default;

void HeaderBlock::clear() {
  text_.clear();
  begins_.clear();
}

void HeaderBlock::add(std::string_view name, std::string_view value) {
  begins_.push_back(text_.size());
  text_ += name;
  // libcurl takes "name:" for "leave it out", and "name;" for one without a value.
  if (value.find_first_not_of(" \t") == std::string_view::npos) {
    text_ += ';';
  } else {
    text_ += ": ";
    append_value(value, text_);
  }
  text_ += '\0';
}

void HeaderBlock::leave_out(std::string_view name) {
  begins_.push_back(text_.size());
  text_ += name;
  text_ += ':';
  text_ += '\0';
}

std::vector<std::string> HeaderBlock::lines() const {
  std::vector<std::string> found;
  for (const std::size_t begin : begins_) found.emplace_back(text_.c_str() + begin);
  return found;
}

curl_slist* HeaderBlock::list() {
  if (begins_.empty()) return nullptr;
  if (capacity_ < begins_.size()) {
    capacity_ = 2 * begins_.size();
    nodes_ = std::make_unique<curl_slist[]>(capacity_);
  }
  for (std::size_t i = 0; i < begins_.size(); ++i) {
    nodes_[i].data = text_.data() + begins_[i];
    nodes_[i].next = i + 1 < begins_.size() ? &nodes_[i + 1] : nullptr;
  }
  return nodes_.get();
}

}  // namespace deltaforge::sinks::http
