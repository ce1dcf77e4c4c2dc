#include "base/descriptors.h"

#include <cerrno>
#include <cstring>

namespace deltaforge {
namespace {

const char* remedy_for(int problem) {
  switch (problem) {
    case EMFILE: return "raise the limit of open files of this process: ulimit -n, or LimitNOFILE of its unit";
    case ENFILE: return "raise the limit of open files of the system: sysctl fs.file-max";
    case ENOSPC: return "raise sysctl fs.epoll.max_user_watches";
    case ENOMEM: return "give this machine or this container more memory";
    default: return "";
  }
}

}  // namespace

Error no_descriptor(const std::string& doing) {
  const int problem = errno;
  return {ErrorKind::unavailable, doing + ": " + std::strerror(problem), remedy_for(problem)};
}

}  // namespace deltaforge
