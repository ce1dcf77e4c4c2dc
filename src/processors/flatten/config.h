// Settings of flatten.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "config/spec.h"
#include "core/processor.h"

namespace deltaforge::processors::flatten {

enum class OnCollision { last, first, error };
enum class OnEmpty { preserve, drop, null };
enum class Lists { preserve, index };

struct Config {
  enum class Type { flatten };

  Type type = Type::flatten;
  std::string id = "flatten";
  std::string separator = "__";
  std::optional<std::int64_t> max_depth;
  OnCollision on_collision = OnCollision::last;
  OnEmpty empty_object = OnEmpty::preserve;
  Lists lists = Lists::preserve;
  OnEmpty empty_list = OnEmpty::preserve;
  OnError on_error = OnError::fail;

  bool needs_journal() const { return on_error == OnError::dlq; }

  static const config::Spec<Config>& spec();
};

}  // namespace deltaforge::processors::flatten
