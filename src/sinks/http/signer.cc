#include "sinks/http/signer.h"

#include <array>
#include <cstdint>
#include <cstring>

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "base/check.h"
#include "core/event_id.h"

namespace deltaforge::sinks::http {

void Signer::Free::operator()(evp_mac_ctx_st* context) const { EVP_MAC_CTX_free(context); }

Signer::Signer(const config::Secret& secret) {
  EVP_MAC* mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  DF_CHECK(mac != nullptr, "OpenSSL has no HMAC");
  context_.reset(EVP_MAC_CTX_new(mac));
  EVP_MAC_free(mac);  // the context keeps it
  std::array<char, 7> digest{"SHA256"};
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
                                   OSSL_PARAM_construct_end()};
  const auto* key = reinterpret_cast<const unsigned char*>(secret.reveal().data());
  DF_CHECK(context_ != nullptr && EVP_MAC_init(context_.get(), key, secret.reveal().size(), parameters) == 1,
           "OpenSSL takes no key for HMAC");
}

Signer::~Signer() = default;

std::string Signer::sign(std::string_view timestamp, std::string_view body) {
  const auto add = [&](std::string_view text) {
    return EVP_MAC_update(context_.get(), reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1;
  };
  std::array<unsigned char, EVP_MAX_MD_SIZE> sum{};
  std::size_t size = 0;
  const bool done = EVP_MAC_init(context_.get(), nullptr, 0, nullptr) == 1 && add(timestamp) && add(".") && add(body) &&
                    EVP_MAC_final(context_.get(), sum.data(), &size, sum.size()) == 1;
  DF_CHECK(done, "OpenSSL computes no HMAC");
  std::string hex;
  for (std::size_t i = 0; i < size; ++i) hex.append(&kHexPairs[std::size_t{2} * sum[i]], 2);
  return hex;
}

}  // namespace deltaforge::sinks::http
