// What a Redis server answers.
//
//   size of the pieces u8 | the replies
//
// Must hold: how the bytes are cut makes no difference; an error quoted for people does not hold the password.
#include <algorithm>
#include <string>
#include <vector>

#include "fuzz.h"
#include "sinks/redis/classify.h"
#include "sinks/redis/resp.h"

namespace {

using namespace deltaforge;
using namespace deltaforge::sinks::redis;

// One text for each reply, and why it ended.
std::vector<std::string> replies(Bytes bytes, std::size_t piece) {
  ReplyReader reader;
  std::vector<std::string> found;
  fuzz::feed(reader, bytes, piece, [&](const Reply& reply) {
    found.push_back(std::to_string(static_cast<int>(reply.type)) + std::to_string(reply.number) +
                    std::string(reply.text));
  });
  found.emplace_back(reader.failure());
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::string_view kPassword = "hunter2";
  fuzz::Input in(data, size);
  const std::size_t piece = std::max<std::size_t>(1, in.byte());
  const auto bytes = in.rest();
  const auto found = replies(bytes, bytes.size());
  fuzz::require(found == replies(bytes, piece), "pieces make no difference");
  for (const std::string& text : found) {
    const Verdict verdict = classify(text);
    fuzz::require(verdict.kind != ErrorKind::internal, "a server's error is not ours:", text);
    fuzz::require(quotable(text, kPassword).find(kPassword) == std::string::npos, "no password is quoted:", text);
  }
  return 0;
}
