// What processors give an event besides its images: where it goes, and what it carries. Most events have none. Lives in
// the pages of the batch, like all that it points to.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace deltaforge {

struct Header {
  std::string_view name, value;
};

struct Extra {
  // What the images show instead of the values that the source read, as JSON objects; empty: the values. Keys are made
  // of the values all the same.
  std::string_view before, after;

  // Routing; each wins over what the sink's configuration says, the others stay.
  std::optional<std::string_view> topic;
  std::optional<std::string_view> key;
  std::span<const Header> headers;
  bool raw_payload = false;  // the body is `after` alone, as JSON, without an envelope

  // Members of the envelope.
  std::span<const std::string_view> tags;
  std::string_view synthetic;  // id of the processor that made this event; empty: it came from the source
  std::string_view members;    // further ones, as JSON without braces: "trace_id":"ab","processed_at":17
};

}  // namespace deltaforge
