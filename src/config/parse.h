// YAML and JSON to Node trees, within limits: a hostile text costs neither stack nor memory.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "config/expand.h"
#include "config/node.h"
#include "config/report.h"

namespace deltaforge::config {

inline constexpr std::size_t kMaxBytes = 1024 * 1024;  // of the text, and of all scalars after alias expansion
inline constexpr std::size_t kMaxNodes = 20'000;       // of all documents together, after alias expansion
inline constexpr std::size_t kMaxDepth = 64;

struct Document {
  Node root;  // never null
};

struct ParseOptions {
  Environment environment = process_environment();
  Expansion expansion = Expansion::everywhere;
};

// The documents of `text`: JSON if it is that, else YAML, which takes much that looks like JSON. Empty ones are left
// out. Syntax errors, duplicate keys, tags, cycles and passed limits go to the report; what was whole before a syntax
// error is still returned, so that its own problems show too.
std::vector<Document> parse(std::string_view text, std::string file_name, Report& report, ParseOptions options = {});

// Reads no more than kMaxBytes. A file that cannot be read is a problem too.
std::vector<Document> parse_file(const std::string& path, Report& report, ParseOptions options = {});

}  // namespace deltaforge::config
