// One pipeline document, checked: either everything that is wrong with it, or what a pipeline is built from.
// Checking is pure: no network, no file, no thread.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "config/node.h"
#include "config/report.h"
#include "core/component.h"
#include "pipeline/pipeline.h"

namespace deltaforge::server {

struct Document {
  // metadata.name; where that is missing, wrong or taken it is the fallback: the file's path, with #2 and so on for
  // further documents.
  std::string name;
  std::string fallback_name;
  std::string file;
  std::map<std::string, std::string> labels;
  // The document as JSON with defaults filled in and secrets masked, for people and the API.
  std::string echo = "null";
  // As it was written, to be changed and kept.
  config::Node root;
  bool from_api = false;  // kept in the store, not in a file of the operator
  // Set when there are no problems.
  std::optional<pipeline::PipelineSpec> spec;
  config::Report problems;
  config::Report warnings;

  // What the API shows of a document with problems. Kind `unsupported` when all that is wrong is "not in this build".
  pipeline::ErrorInfo error() const;
};

// `fallback_name`: see Document::name.
Document check_document(const config::Node& root, const std::string& fallback_name, const Catalogue& catalogue);

// What a document may hold, components of the catalogue included.
config::Shape document_shape(const Catalogue& catalogue);

}  // namespace deltaforge::server
