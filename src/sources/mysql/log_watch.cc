#include "sources/mysql/log_watch.h"

#include <chrono>

#include <fmt/format.h>

#include "base/error.h"

namespace deltaforge::sources::mysql {

void LogWatch::heartbeat(const Place& read, std::uint32_t said) {
  const SteadyTime now = std::chrono::steady_clock::now();
  if (now - asked_ < std::chrono::seconds(1)) return;
  asked_ = now;
  const auto end = ask();
  if (!end) return;
  check_end(*end, start_, server_, read);
  const bool at_end = end->file == read.file() && static_cast<std::uint32_t>(end->pos) == said;
  std::string here = at_end || said == 0 ? "" : fmt::format("{}:{}", read.file(), said);
  const bool again = !here.empty() && here == behind_;
  behind_ = std::move(here);
  if (!again || behind_ == doubted_) return;
  doubted_ = behind_;
  throw Error(ErrorKind::unavailable,
              fmt::format("the server sends nothing behind {}, and its log ends at {}:{}: the connection is of no use",
                          behind_, end->file, end->pos));
}

std::optional<BinlogPosition> LogWatch::ask() {
  try {
    if (!session_) {
      session_.emplace(options_);
      if (read_server(*session_).key() != server_.key()) return session_.reset(), std::nullopt;  // behind a proxy
    }
    return read_end(*session_, server_);
  } catch (const Error&) {
    session_.reset();
    return std::nullopt;
  }
}

}  // namespace deltaforge::sources::mysql
