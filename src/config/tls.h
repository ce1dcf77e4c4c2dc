// The `tls` block of whatever connects over TLS.
#pragma once

#include <string>

#include "config/spec.h"

namespace deltaforge::config {

struct Tls {
  std::string ca_file, cert_file, key_file;
  bool insecure_skip_verify = false;

  static const Spec<Tls>& spec();
  void check(const Node& node, Report& report) const;
};

}  // namespace deltaforge::config
