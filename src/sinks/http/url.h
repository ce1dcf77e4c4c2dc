// The URL of a request: as it is written, with each variable replaced by the event's value. What a value may do depends
// on where it stands: in the path and the query it is percent-encoded, so that it stays one segment or one value; in
// the host only what a host's name may hold is taken. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/slab.h"
#include "config/template.h"
#include "core/event.h"
#include "encode/template_text.h"

namespace deltaforge::sinks::http {

// What is wrong with it, or "". Never quotes what may be a password.
std::string url_problem(const config::Template&);

// Of one without problems.
bool is_https(const config::Template&);
bool has_fixed_host(const config::Template&);

// Of a resolved URL: without brackets and port.
std::string_view host_of(std::string_view url);
// For people: without its query, which may hold a token.
std::string_view without_query(std::string_view url);
// Whether one of them names the host: "api.internal", or "*.internal" for all below it.
bool names_host(const std::vector<std::string>& allowed, std::string_view host);

// Appends it with everything but letters, digits, and -._~ percent-encoded.
void append_percent_encoded(std::string_view value, std::string& out);

class UrlWriter {
 public:
  static constexpr std::size_t kLongest = 8 * 1024;

  UrlWriter(const config::Template&, const std::string& tenant);

  // Replaces `out`. Returns why the event has no URL, or "".
  std::string write(const Event&, std::string& out);

 private:
  enum class Where { host, path, query };
  struct Piece {
    Where where;
    std::string literal;                        // of a text
    std::string name;                           // of a variable: "${after.region}"
    std::optional<encode::TemplateText> value;  // the same
  };
  std::string append(const Piece&, const Event&, std::string& out);

  std::optional<std::string> fixed_;
  std::vector<Piece> pieces_;
  Slab scratch_;
};

}  // namespace deltaforge::sinks::http
