// What a stream answers to a message: {"stream":"ORDERS","seq":7}, with "duplicate":true, or with an "error". No heap.
#pragma once

#include <cstdint>
#include <string_view>

namespace deltaforge::sinks::nats {

struct Ack {
  enum class Kind : std::uint8_t {
    stored,
    duplicate,      // it has the message already, as `seq`
    refused,        // `code`, `text`
    no_responders,  // nobody listens: no stream captures the subject, or JetStream is away
    garbled,        // that is no acknowledgement
  };
  Kind kind = Kind::garbled;
  std::uint64_t seq = 0;
  std::uint64_t stream = 0;  // hash of the stream's name, stream_hash(); 0: it does not say
  std::uint32_t code = 0;    // JetStream's err_code
  std::string_view text;     // of an error, in the bytes that were parsed; as JSON has it, without its quotes
};

Ack parse_ack(std::string_view json);
std::uint64_t stream_hash(std::string_view name);

// The number at the end of a reply subject "_INBOX.xyz.42"; nothing after the last dot, or more than a number: 0.
std::uint64_t reply_number(std::string_view subject);

}  // namespace deltaforge::sinks::nats
