#include "server/process.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/check.h"

namespace deltaforge::server {

StopSignals::StopSignals() {
  signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  for (int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  fd_ = Fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  DF_CHECK(fd_, "signalfd: out of descriptors");
}

bool StopSignals::wait(int other_fd, std::optional<std::chrono::milliseconds> limit) {
  auto end = std::chrono::steady_clock::now() + limit.value_or(std::chrono::milliseconds(0));
  while (true) {
    int left = -1;
    if (limit) {
      auto rest = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
      left = static_cast<int>(std::max<std::chrono::milliseconds::rep>(rest.count(), 0));
    }
    std::array<pollfd, 2> fds{{{fd_.get(), POLLIN, 0}, {other_fd, POLLIN, 0}}};
    int ready = poll(fds.data(), fds.size(), left);
    if (ready < 0 && errno == EINTR) continue;
    if (signalfd_siginfo info{}; read(fd_.get(), &info, sizeof info) == sizeof info) return true;
    return false;
  }
}

void switch_off_core_dumps() {
  rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0);  // a core handler behind a pipe does not ask for the limit
}

}  // namespace deltaforge::server
