// While it lives, threads that are made take no signals: those of the process belong to the thread that waits for them.
#pragma once

#include <csignal>

namespace deltaforge::processors::javascript {

class QuietThreads {
 public:
  QuietThreads() {
    sigset_t all;
    sigfillset(&all);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) sigdelset(&all, fault);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  QuietThreads(const QuietThreads&) = delete;
  QuietThreads& operator=(const QuietThreads&) = delete;
  ~QuietThreads() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

}  // namespace deltaforge::processors::javascript
