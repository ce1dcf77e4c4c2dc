// What a source keeps, in memory.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/source.h"

namespace deltaforge::fuzz {

class MemoryState final : public SourceState {
 public:
  std::optional<std::string> get(std::string_view key) override {
    const auto found = values_.find(std::string(key));
    return found == values_.end() ? std::nullopt : std::optional(found->second);
  }
  void put(std::string_view key, std::string_view value) override { values_[std::string(key)] = value; }
  void erase(std::string_view key) override { values_.erase(std::string(key)); }
  void erase_prefix(std::string_view prefix) override {
    std::erase_if(values_, [&](const auto& each) { return each.first.starts_with(prefix); });
  }

 private:
  std::map<std::string, std::string> values_;
};

}  // namespace deltaforge::fuzz
