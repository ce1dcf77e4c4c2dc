// The public half of an NKey: "U..." of the seed "SU...". The client library signs with the seed and must be told it.
#pragma once

#include <string>
#include <string_view>

namespace deltaforge::sinks::nats {

// The first seed in a file's text, which may be decorated as .creds files are; empty when there is none.
std::string_view find_seed(std::string_view text);

// Empty when the seed is none of a user: its letters, its checksum or its kind are wrong.
std::string public_key_of(std::string_view seed);

}  // namespace deltaforge::sinks::nats
