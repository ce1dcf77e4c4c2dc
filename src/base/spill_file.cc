#include "base/spill_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "base/error.h"

namespace deltaforge {
namespace {

constexpr std::size_t kAlign = 64;

[[noreturn]] void fail(const std::string& directory, int error) {
  throw Error(ErrorKind::storage,
              "a transaction does not fit into memory, and there is no room for it in " + directory + ": " +
                  std::generic_category().message(error),
              "free disk space there, or raise batch.memory_bytes; nothing of the transaction was delivered");
}

// Without a name from the beginning; where the file system cannot do that, from here on.
Fd make_file(const std::string& directory) {
  if (Fd fd(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)); fd) return fd;
  std::string name = directory + "/spill.XXXXXX";
  Fd fd(::mkostemp(name.data(), O_CLOEXEC));
  if (!fd) fail(directory, errno);
  ::unlink(name.c_str());
  return fd;
}

}  // namespace

SpillFile::~SpillFile() { remove_all(); }

std::byte* SpillFile::take(std::size_t size) {
  size = (size + kAlign - 1) / kAlign * kAlign;
  std::lock_guard lock(mutex_);
  if (extents_.empty() || extents_.back().size - extents_.back().filled < size) add(size);
  Extent& extent = extents_.back();
  std::byte* page = extent.base + extent.filled;
  extent.filled += size;
  ++pages_;
  return page;
}

// Disk first: when it is full that is an error here, and never a signal where the memory is touched.
void SpillFile::add(std::size_t size) {
  if (!file_) file_ = make_file(directory_);
  const auto unit = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  size = std::max(kExtent, (size + unit - 1) / unit * unit);
  const std::size_t offset = extents_.empty() ? 0 : extents_.back().offset + extents_.back().size;
  int error = 0;
  do error = ::posix_fallocate(file_.get(), static_cast<off_t>(offset), static_cast<off_t>(size));
  while (error == EINTR);
  void* base = MAP_FAILED;
  if (error == 0) {
    base = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), static_cast<off_t>(offset));
    if (base == MAP_FAILED) error = errno;
  }
  if (error != 0) {
    if (extents_.empty()) file_ = Fd();  // with what was reserved in vain; else that goes with the last page
    fail(directory_, error);
  }
  if (!extents_.empty()) {
    const Extent& full = extents_.back();
    ::sync_file_range(file_.get(), static_cast<off_t>(full.offset), static_cast<off_t>(full.size),
                      SYNC_FILE_RANGE_WRITE);
    ::madvise(full.base, full.size, MADV_DONTNEED);
  }
  extents_.push_back({static_cast<std::byte*>(base), size, 0, offset});
}

void SpillFile::give_back() noexcept {
  std::lock_guard lock(mutex_);
  if (--pages_ == 0) remove_all();
}

void SpillFile::remove_all() noexcept {
  for (const Extent& extent : extents_) ::munmap(extent.base, extent.size);
  extents_.clear();
  file_ = Fd();
}

void SpillFile::passed(const void* address) noexcept {
  // Dropping frees memory only: the pages stay in the file. A few extents behind the reader, so that another that is a
  // little slower seldom has to read them again.
  constexpr std::ptrdiff_t kBehind = 4;
  std::lock_guard lock(mutex_);
  auto here = std::find_if(extents_.begin(), extents_.end(), [&](const Extent& extent) {
    return address >= extent.base && address < extent.base + extent.size;
  });
  if (here == extents_.end()) return;
  for (auto behind = here - std::min(kBehind, here - extents_.begin()); behind != here; ++behind)
    ::madvise(behind->base, behind->size, MADV_DONTNEED);
}

}  // namespace deltaforge
