#include "server/storage_options.h"

namespace deltaforge::server {

const config::Spec<StorageOptions>& StorageOptions::spec() {
  static const auto s =
      config::Spec<StorageOptions>("storage", "Where positions are kept.")
          .choice("backend", &StorageOptions::backend, "Kind of store; sqlite when left out.",
                  {{"sqlite", Backend::sqlite}, {"memory", Backend::memory}, {"postgres", Backend::postgres}})
          .field("path", &StorageOptions::path,
                 "Database file of the sqlite backend; ./data/deltaforge.db when left out.", {.min = 1})
          .field("dsn", &StorageOptions::dsn, "Connection URI of the postgres backend; not in this build.");
  return s;
}

void StorageOptions::check(const config::Node& node, config::Report& report) const {
  if (backend == Backend::postgres)
    report.add(node, "backend", "not in this build: storage backend postgres; use sqlite or memory");
}

}  // namespace deltaforge::server
