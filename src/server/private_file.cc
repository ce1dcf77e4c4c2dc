#include "server/private_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/fd.h"

namespace deltaforge::server {

namespace {

constexpr std::size_t kMaxBytes = 64 * 1024;

Error unusable(const std::string& path, std::string_view option, const std::string& why, const std::string& hint) {
  return {ErrorKind::config, "reading " + std::string(option) + " " + path + ": " + why, hint};
}

std::string read(const std::string& path, std::string_view option, bool is_private) {
  const std::string hint = std::string(option) + " names a file that this process may read";
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat found {};
  if (!fd || fstat(fd.get(), &found) != 0) throw unusable(path, option, std::strerror(errno), hint);
  if (!S_ISREG(found.st_mode)) throw unusable(path, option, "it is not a file", hint);
  if (is_private && (found.st_mode & (S_IROTH | S_IWOTH)) != 0)
    throw unusable(path, option, "it is a secret, and every user may read or write it", "chmod 600 " + path);
  std::string text(kMaxBytes + 1, '\0');
  std::size_t size = 0;
  for (ssize_t got = 1; got > 0 && size < text.size(); size += static_cast<std::size_t>(got)) {
    got = ::read(fd.get(), text.data() + size, text.size() - size);
    if (got < 0) throw unusable(path, option, std::strerror(errno), hint);
  }
  if (size > kMaxBytes) throw unusable(path, option, "it is larger than 64 KiB", hint);
  text.resize(size);
  return text;
}

}  // namespace

std::string read_file(const std::string& path, std::string_view option) { return read(path, option, false); }

std::string read_private_file(const std::string& path, std::string_view option) { return read(path, option, true); }

}  // namespace deltaforge::server
