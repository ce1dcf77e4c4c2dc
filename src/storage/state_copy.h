// What the state says of positions, copied into memory: what is written to the copy goes nowhere. For `deltaforge
// plan`, also beside a running engine.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/store.h"
#include "storage/state_dir.h"

namespace deltaforge::storage {

struct StateCopy {
  std::unique_ptr<Store> store;
  std::vector<std::string> resets;  // as Store::resets()
};
// The namespaces that are named. Nothing is made or changed on disk. `found` need not exist. Throws Error{storage,
// state_lost, config}.
StateCopy copy_state(const FoundState& found, std::span<const char* const> namespaces);

}  // namespace deltaforge::storage
