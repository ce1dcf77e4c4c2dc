// What an error reply of a Redis server means: one table (classify.cc). Anything that is not in it is tried again: no
// error may ever drop a row.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace deltaforge::sinks::redis {

struct Verdict {
  enum class Action {
    retry,      // a new connection sends everything unacknowledged again
    stop,       // the pipeline cannot go on; `kind` says how it is treated
    too_large,  // this row alone can never be delivered
  };
  Action action = Action::retry;
  ErrorKind kind = ErrorKind::unavailable;
  std::string_view hint;  // the option or the server's setting that mends it; may be empty
};

// `text` of an error reply: "WRONGTYPE Operation against a key ...".
Verdict classify(std::string_view text);

// The reply for people: without what it repeats of our commands, which may be rows or the password.
std::string quotable(std::string_view text, std::string_view password);

}  // namespace deltaforge::sinks::redis
