// What messages call the server that is connected to, and what they advise.
#pragma once

#include <string_view>

namespace deltaforge::net {

struct Peer {
  std::string_view connecting;   // "connecting to Redis at"
  std::string_view opening_tls;  // "opening TLS to Redis at"
  std::string_view field;        // name of the configuration's field with the host: "uri"
  std::string_view plain_hint;   // how to do without TLS
};

}  // namespace deltaforge::net
