// What an answer, or the lack of one, means: two tables (classify.cc). Anything that is not in them is tried again: no
// error may ever drop a row.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace deltaforge::sinks::http {

struct Verdict {
  enum class Action {
    delivered,
    retry,    // the same request again
    away,     // the same, and nobody else needs to try meanwhile: there was no connection
    stop,     // the pipeline cannot go on; `kind` says how it is treated
    refused,  // the server does not take this event
  };
  Action action = Action::retry;
  ErrorKind kind = ErrorKind::unavailable;
  std::string_view hint;  // the option that mends it; may be empty
};

Verdict classify_status(long status);
// `code`: a CURLcode. `sent`: some of the request had been sent.
Verdict classify_failure(int code, bool sent);

// "503 Service Unavailable"
std::string status_text(long status);

}  // namespace deltaforge::sinks::http
