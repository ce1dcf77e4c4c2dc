#include "sinks/http/signer.h"

#include <cstddef>

#include "core/event_id.h"

namespace deltaforge::sinks::http {

std::string Signer::sign(std::string_view timestamp, std::string_view body) {
  hmac_.add(timestamp);
  hmac_.add(".");
  hmac_.add(body);
  std::string hex;
  for (const unsigned char byte : hmac_.finish()) hex.append(&kHexPairs[std::size_t{2} * byte], 2);
  return hex;
}

}  // namespace deltaforge::sinks::http
