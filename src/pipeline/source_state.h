// A source's own durable values, in the store under the source's id.
#pragma once

#include <string>

#include "core/source.h"
#include "core/store.h"
#include "pipeline/state_keys.h"

namespace deltaforge::pipeline {

class StoredSourceState final : public SourceState {
 public:
  StoredSourceState(Store& store, const std::string& source_id) : store_(store), prefix_(source_prefix(source_id)) {}
  std::optional<std::string> get(std::string_view key) override {
    return store_.get(kSourceState, prefix_ + std::string(key));
  }
  void put(std::string_view key, std::string_view value) override {
    Store::Entry entry{kSourceState, prefix_ + std::string(key), std::string(value)};
    store_.put({&entry, 1});
  }
  void erase(std::string_view key) override { store_.erase(kSourceState, prefix_ + std::string(key)); }
  void erase_prefix(std::string_view prefix) override {
    for (const std::string& key : store_.keys(kSourceState, prefix_ + std::string(prefix)))
      store_.erase(kSourceState, key);
  }

 private:
  Store& store_;
  const std::string prefix_;
};

}  // namespace deltaforge::pipeline
