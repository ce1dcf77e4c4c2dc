// What a NATS server sends.
//
//   size of the pieces u8 | the bytes
//
// Must hold: how the bytes are cut makes no difference; what a message carries lies in them; INFO refuses or is read.
#include <algorithm>
#include <string>
#include <vector>

#include "fuzz.h"
#include "sinks/nats/protocol.h"

namespace {

using namespace deltaforge;
using namespace deltaforge::sinks::nats;

// One text for each message, and why it ended.
std::vector<std::string> messages(Bytes bytes, std::size_t piece) {
  ServerReader reader;
  std::vector<std::string> found;
  fuzz::feed(reader, bytes, piece, [&](const ServerMessage& message) {
    std::string text = std::to_string(static_cast<int>(message.kind));
    for (const std::string_view part : {message.subject, message.headers, message.payload})
      text.append("|").append(part);
    found.push_back(std::move(text));
    if (message.kind == ServerMessage::Kind::info) parse_info(message.payload);
  });
  found.emplace_back(reader.failure());
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in(data, size);
  const std::size_t piece = std::max<std::size_t>(1, in.byte());
  const auto bytes = in.rest();
  fuzz::require(messages(bytes, bytes.size()) == messages(bytes, piece), "pieces make no difference");
  return 0;
}
