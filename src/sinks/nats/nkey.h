// NKeys (Ed25519): what is made of the seed "SU..." of a user.
#pragma once

#include <string>
#include <string_view>

namespace deltaforge::sinks::nats {

// The first seed in a file's text, which may be decorated as .creds files are; empty when there is none.
std::string_view find_seed(std::string_view text);

// Empty when the seed is none of a user: its letters, its checksum or its kind are wrong.
std::string public_key_of(std::string_view seed);

// Its signature of the text, as a server wants to have it: base64 for URLs, without padding. Of a seed that has a
// public key.
std::string sign(std::string_view seed, std::string_view text);

}  // namespace deltaforge::sinks::nats
