// Long names behind small numbers: marks are 32 bytes and hold the number of a binlog file or of a GTID's source. One
// table lives with the algebra of a pipeline; it only grows (a file is a name, a server is a name: hundreds, not
// millions).
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace deltaforge::sources::mysql {

// Any thread. The same name has the same number for the life of the table.
class NameTable {
 public:
  std::uint32_t intern(std::string_view name);
  // Of a number that intern() gave. Takes no lock; the text stays where it is for the life of the table.
  std::string_view name(std::uint32_t number) const;

 private:
  // Block k holds 64 << k names, so nothing ever moves and a reader needs no lock.
  static constexpr std::size_t kFirst = 64, kBlocks = 26;
  struct Place {
    std::size_t block, at;
  };
  static Place place(std::uint32_t number);

  std::mutex mutex_;  // over everything but readers_
  std::unordered_map<std::string_view, std::uint32_t> numbers_;
  std::array<std::unique_ptr<std::string[]>, kBlocks> blocks_;
  std::array<std::atomic<const std::string*>, kBlocks> readers_{};  // blocks_, for name()
};

}  // namespace deltaforge::sources::mysql
