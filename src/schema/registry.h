// Keeps every table schema for as long as its owner lives, a source or what makes schemas: events and caches point at
// them. intern() on the owner's thread only, the schemas themselves are immutable and read by any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/table_schema.h"

namespace deltaforge::schema {

class Registry {
 public:
  // The one schema with this content: an equal one that is known already, or this one with name_hash and id filled in.
  const TableSchema* intern(TableSchema&&);

 private:
  // By full name, oldest first. A table has few shapes in its life.
  std::unordered_map<std::string, std::vector<std::unique_ptr<const TableSchema>>> tables_;
};

}  // namespace deltaforge::schema
