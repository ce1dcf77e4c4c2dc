#include "sources/mysql/names.h"

#include <bit>

#include "base/check.h"

namespace deltaforge::sources::mysql {

NameTable::Place NameTable::place(std::uint32_t number) {
  const std::uint64_t shifted = std::uint64_t{number} + kFirst;  // block k begins at (64 << k) - 64
  const auto block = static_cast<std::size_t>(std::bit_width(shifted / kFirst)) - 1;
  return {block, static_cast<std::size_t>(shifted - (std::uint64_t{kFirst} << block))};
}

std::uint32_t NameTable::intern(std::string_view name) {
  std::lock_guard lock(mutex_);
  if (auto known = numbers_.find(name); known != numbers_.end()) return known->second;
  const auto number = static_cast<std::uint32_t>(numbers_.size());
  const auto [block, at] = place(number);
  DF_CHECK(block < kBlocks, "a table of names that never ends");
  if (blocks_[block] == nullptr) {
    blocks_[block] = std::make_unique<std::string[]>(kFirst << block);
    readers_[block].store(blocks_[block].get(), std::memory_order_release);
  }
  std::string& kept = blocks_[block][at];
  kept = name;
  numbers_.emplace(kept, number);
  return number;
}

// Whoever has the number got it after the name was written: by intern() itself, or in a batch handed over.
std::string_view NameTable::name(std::uint32_t number) const {
  const auto [block, at] = place(number);
  const std::string* names = block < kBlocks ? readers_[block].load(std::memory_order_acquire) : nullptr;
  DF_CHECK(names != nullptr, "a number that this table never gave");
  return names[at];
}

}  // namespace deltaforge::sources::mysql
