// What a TLS listener shows of itself.
#pragma once

#include <string>

namespace deltaforge::server {

struct TlsIdentity {
  std::string certificates;  // PEM: its own first, then those that lead to the authority
  std::string key;           // PEM, not encrypted
};

// Reads the files of --api-tls-cert and --api-tls-key. Error{config} names option and file: not readable, not PEM, a
// key that other users may read, or a key that does not belong to the certificate.
TlsIdentity load_tls_identity(const std::string& certificate_path, const std::string& key_path);

}  // namespace deltaforge::server
