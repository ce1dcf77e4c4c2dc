// What an error of JetStream means: one table (classify.cc). Anything that is not in it is tried again: no error may
// ever drop a row.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/error.h"

namespace deltaforge::sinks::nats {

struct Verdict {
  enum class Action {
    retry,      // a new connection sends everything unacknowledged again
    stop,       // the pipeline cannot go on; `kind` says how it is treated
    not_next,   // it is not what the stream expects next: nothing is stored, and it is sent again in its turn
    too_large,  // the stream's limit is another one than was known
  };
  Action action = Action::retry;
  ErrorKind kind = ErrorKind::unavailable;
  std::string_view hint;  // the option or the server's setting that mends it; may be empty
};

// `code` is err_code, 0 when the server gives none; then its description must do.
Verdict classify(std::uint32_t code, std::string_view description);

}  // namespace deltaforge::sinks::nats
