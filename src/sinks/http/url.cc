#include "sinks/http/url.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <curl/curl.h>
#include <fmt/format.h>

#include "base/ascii.h"

namespace deltaforge::sinks::http {
namespace {

using Part = config::Template::Part;
using What = config::Template::What;

constexpr std::string_view kSchemeEnd = "://";
constexpr std::size_t kLongestName = 253, kLongestLabel = 63;

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }
bool is_unreserved(char c) { return is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~'; }

// The first literal, where the scheme stands.
std::string_view head(const config::Template& url) {
  const auto& parts = url.parts();
  return parts.empty() || parts[0].what != What::literal ? std::string_view() : std::string_view(parts[0].text);
}

// The authority as far as literals give it, a variable as '\1'.
std::string authority(const config::Template& url) {
  std::string found;
  bool first = true;
  for (const Part& part : url.parts()) {
    std::string_view text = part.what == What::literal ? std::string_view(part.text) : std::string_view("\1");
    if (std::exchange(first, false) && text.find(kSchemeEnd) != std::string_view::npos)
      text.remove_prefix(text.find(kSchemeEnd) + kSchemeEnd.size());
    const std::size_t end = text.find_first_of("/?#\\");
    found += text.substr(0, end);
    if (end != std::string_view::npos) break;
  }
  return found;
}

bool has_dots_as_segment(std::string_view path) {
  while (!path.empty()) {
    path.remove_prefix(1);  // its slash
    const std::string_view segment = path.substr(0, path.find('/'));
    std::string plain;
    for (std::size_t i = 0; i < segment.size(); ++i) {
      const bool encoded =
          segment[i] == '%' && i + 2 < segment.size() && segment[i + 1] == '2' && to_lower(segment[i + 2]) == 'e';
      plain += encoded ? '.' : segment[i];
      if (encoded) i += 2;
    }
    if (plain == "." || plain == "..") return true;
    path.remove_prefix(segment.size());
  }
  return false;
}

std::string_view path_of(std::string_view url) {
  const std::size_t begin = url.find('/', url.find(kSchemeEnd) + kSchemeEnd.size());
  const std::size_t query = url.find('?');
  if (begin == std::string_view::npos || begin > query) return {};
  return url.substr(begin, query == std::string_view::npos ? query : query - begin);
}

// What libcurl thinks of it with "x" for each variable.
std::string libcurl_problem(const std::string& sample) {
  struct Cleanup {
    void operator()(CURLU* url) const { curl_url_cleanup(url); }
  };
  const std::unique_ptr<CURLU, Cleanup> url(curl_url());
  const CURLUcode code = curl_url_set(url.get(), CURLUPART_URL, sample.c_str(), CURLU_DISALLOW_USER);
  return code == CURLUE_OK ? std::string() : curl_url_strerror(code);
}

// Why a name that values went into is none, or "".
std::string host_problem(std::string_view host) {
  if (host.size() > kLongestName) return "it is longer than a host's name may be";
  while (true) {
    const std::size_t dot = host.find('.');
    const std::string_view label = host.substr(0, dot);
    if (label.empty()) return "it has an empty part";
    if (label.size() > kLongestLabel) return "a part of it is longer than 63 characters";
    if (dot == std::string_view::npos) return {};
    host.remove_prefix(dot + 1);
  }
}

}  // namespace

std::string url_problem(const config::Template& url) {
  const std::string_view first = head(url);
  if (!starts_with_ignoring_case(first, "http://") && !starts_with_ignoring_case(first, "https://"))
    return "it does not begin with http:// or https://";
  const std::string host = authority(url);
  if (host.empty()) return "it names no host";
  if (host.find('@') != std::string::npos)
    return "it has a user or a password: send them in `headers` as Authorization";
  const std::size_t port = host.find(':', host.starts_with('[') ? std::min(host.find(']'), host.size() - 1) : 0);
  if (port != std::string::npos && host.find('\1', port) != std::string::npos)
    return "its port is a variable: write the number";
  std::string sample;
  for (const Part& part : url.parts()) {
    if (part.what != What::literal) {
      sample += 'x';
      continue;
    }
    for (const char c : part.text) {
      if (c == '#') return "it has a fragment (#...), which is never sent: leave it out";
      if (static_cast<unsigned char>(c) <= ' ' || static_cast<unsigned char>(c) >= 127 || c == '\\')
        return "it has a blank, a backslash or another character that must be percent-encoded";
    }
    sample += part.text;
  }
  if (const std::string problem = libcurl_problem(sample); !problem.empty()) return problem;
  if (has_dots_as_segment(path_of(sample))) return "a segment of its path is . or ..: write the path without";
  return {};
}

bool is_https(const config::Template& url) { return starts_with_ignoring_case(head(url), "https://"); }

bool has_fixed_host(const config::Template& url) { return authority(url).find('\1') == std::string::npos; }

std::string_view host_of(std::string_view url) {
  url.remove_prefix(url.find(kSchemeEnd) + kSchemeEnd.size());
  if (url.starts_with('[')) return url.substr(1, url.find(']') - 1);
  return url.substr(0, url.find_first_of(":/?"));
}

std::string_view without_query(std::string_view url) { return url.substr(0, url.find('?')); }

bool names_host(const std::vector<std::string>& allowed, std::string_view host) {
  return std::any_of(allowed.begin(), allowed.end(), [&](std::string_view each) {
    if (!each.starts_with("*.")) return equal_ignoring_case(each, host);
    const std::string_view below = each.substr(1);  // ".internal"
    return host.size() > below.size() && equal_ignoring_case(host.substr(host.size() - below.size()), below);
  });
}

void append_percent_encoded(std::string_view value, std::string& out) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  for (const char c : value) {
    if (is_unreserved(c)) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
}

UrlWriter::UrlWriter(const config::Template& url, const std::string& tenant) {
  if (url.is_static()) {
    fixed_ = head(url);
    return;
  }
  Where where = Where::host;
  std::string so_far;
  for (const Part& part : url.parts()) {
    const config::Template alone(std::vector{part});
    if (part.what != What::literal) {
      pieces_.push_back({where, {}, alone.text(), encode::TemplateText(alone, tenant)});
      so_far += 'x';
      continue;
    }
    so_far += part.text;
    const std::size_t path = so_far.find('/', so_far.find(kSchemeEnd) + kSchemeEnd.size());
    if (so_far.find('?') != std::string::npos)
      where = Where::query;
    else if (path != std::string::npos)
      where = Where::path;
    pieces_.push_back({where, part.text, {}, std::nullopt});
  }
}

std::string UrlWriter::write(const Event& event, std::string& out) {
  if (fixed_) {
    out = *fixed_;
    return {};
  }
  out.clear();
  for (const Piece& piece : pieces_)
    if (std::string problem = append(piece, event, out); !problem.empty()) return problem;
  if (out.size() > kLongest)
    return fmt::format("its `url` would have {} bytes, and {} are the most", out.size(), kLongest);
  if (has_dots_as_segment(path_of(out)))
    return "a value makes a segment of the path in `url` . or .., which leads elsewhere";
  if (pieces_.size() > 1 && pieces_[1].where == Where::host)
    if (const std::string problem = host_problem(host_of(out)); !problem.empty())
      return fmt::format("a value makes no valid host in `url`: {}", problem);
  return {};
}

std::string UrlWriter::append(const Piece& piece, const Event& event, std::string& out) {
  if (!piece.value) {
    out += piece.literal;
    return {};
  }
  scratch_.clear();
  if (const std::string_view missing = piece.value->append(event, scratch_); !missing.empty())
    return fmt::format("the event has no value for {} in `url`", missing);
  const std::string_view value = scratch_.view();
  if (value.empty()) return fmt::format("the value of {} in `url` is empty", piece.name);
  if (piece.where != Where::host) {
    append_percent_encoded(value, out);
    return {};
  }
  const bool fits = std::all_of(value.begin(), value.end(),
                                [](char c) { return is_alphanumeric(c) || c == '-' || c == '.' || c == '_'; });
  if (!fits) return fmt::format("the value of {} in `url` is no part of a host's name", piece.name);
  out += value;
  return {};
}

}  // namespace deltaforge::sinks::http
