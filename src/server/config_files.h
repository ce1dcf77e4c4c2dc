// From files and directories to checked documents. Whatever is wrong with one document stays with it.
#pragma once

#include <string>
#include <vector>

#include "config/parse.h"
#include "config/report.h"
#include "core/component.h"
#include "server/document.h"
#include "server/storage_options.h"

namespace deltaforge::server {

struct Configuration {
  // In the order of the files' names. A file that cannot be read or parsed is a document with problems, too.
  std::vector<Document> documents;
  StorageOptions storage;
  // Of the `storage:` sections: they are nobody's document, and nothing can run with a wrong one.
  config::Report storage_problems;

  bool any_valid() const;
  bool all_valid() const;
};

// Each path is a file, or a directory searched for *.yaml, *.yml and *.json (hidden ones left out).
Configuration load(const std::vector<std::string>& paths, const Catalogue& catalogue,
                   const config::ParseOptions& options = {});

}  // namespace deltaforge::server
