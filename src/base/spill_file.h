// Where events go for which a pipeline has no memory left: a file without a name, mapped extent by extent. Its pages
// are the kernel's to write back and to forget, so they cost disk and not memory. Any thread.
#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"

namespace deltaforge {

class SpillFile {
 public:
  // Nothing is opened before the first take().
  explicit SpillFile(std::string directory) : directory_(std::move(directory)) {}
  SpillFile(const SpillFile&) = delete;
  SpillFile& operator=(const SpillFile&) = delete;
  ~SpillFile();

  // Memory whose disk is already reserved. Throws Error{storage} when the disk is full.
  std::byte* take(std::size_t size);
  // One of the pages is used no more. The disk becomes free with the last of them.
  void give_back() noexcept;

  // A hint: whoever goes through the pages, in the order in which they were taken, has come to this address.
  void passed(const void* address) noexcept;

 private:
  static constexpr std::size_t kExtent = 16 * 1024 * 1024;
  struct Extent {
    std::byte* base;
    std::size_t size, filled, offset;
  };
  void add(std::size_t size);
  void remove_all() noexcept;

  const std::string directory_;
  std::mutex mutex_;
  Fd file_;
  std::vector<Extent> extents_;  // in the order of the file; the last one is being filled
  std::size_t pages_ = 0;
};

}  // namespace deltaforge
