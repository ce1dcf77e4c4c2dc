#include "config/tls.h"

namespace deltaforge::config {

const Spec<Tls>& Tls::spec() {
  static const auto s =
      Spec<Tls>("tls", "How the connection is encrypted.")
          .field("ca_file", &Tls::ca_file, "PEM file of the authorities to trust; empty: those of the system.")
          .field("cert_file", &Tls::cert_file, "PEM file of the client's own certificate (mutual TLS).")
          .field("key_file", &Tls::key_file, "PEM file of its private key.")
          .field("insecure_skip_verify", &Tls::insecure_skip_verify, "Do not check the server's certificate.");
  return s;
}

void Tls::check(const Node& node, Report& report) const {
  if (cert_file.empty() != key_file.empty())
    report.add(node, "cert_file and key_file belong together: give both or none");
}

}  // namespace deltaforge::config
