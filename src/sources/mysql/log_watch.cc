#include "sources/mysql/log_watch.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "base/error.h"

namespace deltaforge::sources::mysql {

void LogWatch::heartbeat(const Place& read, std::uint32_t said) {
  const SteadyTime now = std::chrono::steady_clock::now();
  if (now - asked_ < std::chrono::seconds(1)) return;
  asked_ = now;
  const auto end = ask([this](Session& session) { return read_end(session, server_); });
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

std::int64_t LogWatch::lag_bytes(const Place& read) {
  const auto files = ask([](Session& session) { return read_files(session); });
  if (!files) return -1;
  auto file = std::ranges::find(*files, read.file(), &SizedFile::first);
  if (file == files->end()) return -1;
  std::uint64_t end = 0;
  for (; file != files->end(); ++file) end += file->second;
  return static_cast<std::int64_t>(end - std::min(end, read.end()));
}

template <class Question>
auto LogWatch::ask(Question question) -> std::optional<decltype(question(std::declval<Session&>()))> {
  try {
    if (!session_) {
      session_.emplace(options_);
      if (read_server(*session_).key() != server_.key()) return session_.reset(), std::nullopt;  // behind a proxy
    }
    return question(*session_);
  } catch (const Error&) {
    session_.reset();
    return std::nullopt;
  }
}

}  // namespace deltaforge::sources::mysql
