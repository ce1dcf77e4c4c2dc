#include "base/fd.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "base/descriptors.h"

namespace deltaforge {

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}

// A pipeline that begins, or a sink that connects, can be tried again when others have given theirs back.
WakeFd::WakeFd() : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (!fd_) throw no_descriptor("making an eventfd");
}

void WakeFd::signal() noexcept {
  if (signalled_.exchange(true, std::memory_order_acq_rel)) return;
  std::uint64_t one = 1;
  while (::write(fd_.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void WakeFd::clear() noexcept {
  if (!signalled_.load(std::memory_order_acquire)) return;
  std::uint64_t count = 0;
  ssize_t got = 0;
  while ((got = ::read(fd_.get(), &count, sizeof count)) < 0 && errno == EINTR) {
  }
  // Nothing there: its writer has yet to write, and the next clear() takes it.
  if (got > 0) signalled_.exchange(false, std::memory_order_acq_rel);
}

}  // namespace deltaforge
