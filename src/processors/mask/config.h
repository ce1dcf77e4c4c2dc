// Settings of mask.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/node.h"
#include "config/report.h"
#include "config/spec.h"

namespace deltaforge::processors::mask {

enum class Action { hash, redact, truncate, drop, rename };

struct Rule {
  std::vector<config::TablePattern> tables;  // empty: all
  std::vector<std::string> columns;          // names, with * for any run of characters
  std::optional<Action> action;
  std::optional<config::Secret> key;   // of hash
  std::optional<std::string> to;       // of redact and rename
  std::optional<std::int64_t> length;  // of truncate

  static const config::Spec<Rule>& spec();
  void check(const config::Node&, config::Report&) const;
};

struct Config {
  enum class Type { mask };

  Type type = Type::mask;
  std::string id = "mask";
  std::vector<Rule> rules;  // the first that is for a column counts

  static const config::Spec<Config>& spec();
  void check(const config::Node&, config::Report&) const;
};

}  // namespace deltaforge::processors::mask
