// What a row's values make of a URL and of headers.
//
//   size u8 | that many bytes of a value | the bytes of another value
//
// Must hold: a URL that is made is the one that was written, with one part more in each place: no other host, no other
// port, path, query or fragment; a header is one line.
#include <array>
#include <memory>
#include <string>
#include <vector>

#include <curl/curl.h>

#include "base/percent.h"
#include "fuzz.h"
#include "sinks/http/header_block.h"
#include "sinks/http/url.h"

namespace {

using namespace deltaforge;
using namespace deltaforge::sinks::http;

std::string part(CURLU* url, CURLUPart what) {
  char* text = nullptr;
  if (curl_url_get(url, what, &text, 0) != CURLUE_OK) return {};
  std::string found = text;
  curl_free(text);
  return found;
}

void check_url(const std::string& made, std::string_view first, std::string_view second) {
  struct Cleanup {
    void operator()(CURLU* url) const { curl_url_cleanup(url); }
  };
  const std::unique_ptr<CURLU, Cleanup> url(curl_url());
  fuzz::require(
      curl_url_set(url.get(), CURLUPART_URL, made.c_str(), CURLU_DISALLOW_USER | CURLU_PATH_AS_IS) == CURLUE_OK,
      "it is a URL:", made);
  fuzz::require(part(url.get(), CURLUPART_HOST) == std::string(first) + ".api.internal", "the host stays:", made);
  fuzz::require(host_of(made) == part(url.get(), CURLUPART_HOST), "and we know it:", made);
  fuzz::require(part(url.get(), CURLUPART_PORT) == "8443", "the port stays:", made);
  fuzz::require(part(url.get(), CURLUPART_FRAGMENT).empty(), "there is no fragment:", made);
  const std::string path = part(url.get(), CURLUPART_PATH), query = part(url.get(), CURLUPART_QUERY);
  fuzz::require(path.starts_with("/a/") && path.ends_with("/b"), "the path stays:", made);
  const std::string segment = path.substr(3, path.size() - 5);
  fuzz::require(segment.find('/') == std::string::npos && percent_decoded(segment) == second, "one segment:", made);
  fuzz::require(query.starts_with("q=") && percent_decoded(query.substr(2)) == second, "one value:", made);
  fuzz::require(query.find_first_of("&+") == std::string::npos, "and no other:", made);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in(data, size);
  const auto host = in.bytes(in.byte());
  const auto rest = in.rest();
  const std::string first(as_text(host)), second(as_text(rest));
  static const TableSchema schema{.connector = "postgresql",
                                  .source_id = "s",
                                  .database = "d",
                                  .schema = "public",
                                  .table = "t",
                                  .full_name = "public.t",
                                  .columns = {{"x", "text"}, {"y", "text"}},
                                  .key = {}};
  const std::array values{Value::of_text(Kind::text, first), Value::of_text(Kind::text, second)};
  Event event;
  event.schema = &schema;
  event.after = {values, true};
  static UrlWriter writer(config::Template("https://${after.x}.api.internal:8443/a/${after.y}/b?q=${after.y}"), "");
  std::string made;
  if (writer.write(event, made).empty()) check_url(made, first, second);

  static HeaderBlock headers;
  headers.clear();
  headers.add("x-first", first);
  headers.add("x-second", second);
  const auto lines = headers.lines();
  fuzz::require(lines.size() == 2 && lines[0].starts_with("x-first") && lines[1].starts_with("x-second"), "two lines");
  for (const std::string& line : lines)
    for (const char c : line)
      fuzz::require((static_cast<unsigned char>(c) >= ' ' && c != 127) || c == '\t', "no control characters:", line);
  return 0;
}
