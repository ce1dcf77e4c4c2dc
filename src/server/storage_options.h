// The top-level `storage:` section: where positions are kept. Flags of the command line win over it.
#pragma once

#include <optional>
#include <string>

#include "config/spec.h"

namespace deltaforge::server {

enum class Backend { sqlite, memory, postgres };

struct StorageOptions {
  std::optional<Backend> backend;
  std::optional<std::string> path;
  config::Secret dsn;

  static const config::Spec<StorageOptions>& spec();
  void check(const config::Node& node, config::Report& report) const;
};

}  // namespace deltaforge::server
