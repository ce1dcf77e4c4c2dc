// What a NATS server answers, and where to; subjects and header values that a row gives.
//
//   kind u8 | the text
//
// Must hold: an answer is an acknowledgement with a sequence or it is not taken for one; what an event may be published
// to is one line of the protocol's, with no wildcard; a stream's subject captures itself.
#include <string>

#include "encode/destination.h"
#include "fuzz.h"
#include "sinks/nats/ack.h"
#include "sinks/nats/classify.h"
#include "sinks/nats/nkey.h"
#include "sinks/nats/servers.h"
#include "sinks/nats/streams.h"
#include "sinks/nats/subject.h"

namespace {

using namespace deltaforge;
using namespace deltaforge::sinks::nats;

void acknowledgement(std::string_view text) {
  const Ack ack = parse_ack(text);
  if (ack.kind == Ack::Kind::stored) fuzz::require(ack.seq > 0 && ack.stream != 0, "what is stored has its place");
  fuzz::require(ack.text.empty() ||
                    (ack.text.data() >= text.data() && ack.text.data() + ack.text.size() <= text.data() + text.size()),
                "the reason lies in the answer");
  fuzz::require(classify(ack.code, ack.text).kind != ErrorKind::internal, "a server's error is not ours");
}

void subject(std::string_view text) {
  if (!encode::destination_problem(text).empty() || !server_problem(text).empty()) return;
  fuzz::require(!text.empty() && text.size() <= kLongestSubject, "a subject has its length");
  for (const char c : text)
    fuzz::require(static_cast<unsigned char>(c) > ' ' && c != '*' && c != '>', "a subject is one word of the protocol");
  fuzz::require(!text.starts_with("$JS.") && !text.starts_with("_INBOX."), "the server's subjects are its own");
  fuzz::require(captures(text, text) && captures(">", text), "it captures itself");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in(data, size);
  const int kind = in.byte() % 6;
  const std::string text(as_text(in.rest()));
  switch (kind) {
    case 0: acknowledgement(text); break;
    case 1: reply_number(text); break;
    case 2: subject(text); break;
    case 3: fuzz::allowed_to_refuse([&] { parse_stream(text, "S", "h:4222"); }); break;
    case 4:
      fuzz::allowed_to_refuse([&] {
        std::size_t total = 0;
        parse_names(text, total, "h:4222");
      });
      break;
    default: parse_servers(config::Secret(text)); public_key_of(find_seed(text));
  }
  return 0;
}
