// The head of an API request, line by line: target, version, then "name:value". What libmicrohttpd hands on may hold
// any byte but these separators.
//
// Must hold: a head that passes can be understood in one way only, and a page of another site never passes.
#include <set>

#include "fuzz.h"
#include "server/request_guard.h"
#include "server/request_head.h"

namespace {

using namespace deltaforge;

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return result;
}

void check_passed(const server::RequestHead& head) {
  fuzz::require(head.target.starts_with('/') && head.headers.size() <= 100, "a path, and not too many headers");
  std::set<std::string> once;
  for (const auto& [name, value] : head.headers) {
    fuzz::require(!name.empty() && name.find_first_of(" \t:\r\n\0") == std::string_view::npos, "names are tokens");
    fuzz::require(value.find_first_of("\r\n") == std::string_view::npos, "a value is one line");
    const std::string known = lower(name);
    if (known == "content-length" || known == "transfer-encoding" || known == "host")
      fuzz::require(once.insert(known).second, "what frames and names the place stands once");
  }
  fuzz::require(!(once.contains("content-length") && once.contains("transfer-encoding")), "one framing");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::string target = input.line(), version = input.line();
  std::vector<std::string> lines;
  while (!input.empty()) lines.push_back(input.line());
  server::RequestHead head{target, version, {}};
  for (const std::string& line : lines) {
    const std::string_view all = line;
    const std::size_t colon = std::min(all.find(':'), all.size());
    head.headers.emplace_back(all.substr(0, colon), all.substr(std::min(colon + 1, all.size())));
  }
  if (auto refusal = server::refuse(head)) {
    fuzz::require(refusal->status == 400 || refusal->status == 431, "a refusal is the caller's fault");
    return 0;
  }
  check_passed(head);

  server::Request request;
  request.origin = head.header("origin");
  request.host = head.header("host");
  for (bool loopback : {false, true}) {
    const auto refusal = server::refuse_foreign_page(request, loopback);
    if (refusal) {
      fuzz::require(refusal->status == 403, "a foreign page is forbidden");
    } else {
      const std::string origin = lower(request.origin), host = lower(request.host);
      fuzz::require(origin.empty() || origin.ends_with("://" + host), "only pages of this very place pass");
    }
  }
  return 0;
}
