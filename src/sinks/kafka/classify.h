// What an error of librdkafka or of a broker means for the batch: one table (classify.cc). Anything that is not in it
// is tried again: no error may ever drop a row.
#pragma once

#include <string_view>

#include "base/error.h"

namespace deltaforge::sinks::kafka {

struct Verdict {
  enum class Action {
    retry,      // a new client sends everything unacknowledged again
    stop,       // the pipeline cannot go on; `kind` says how it is treated
    too_large,  // this record alone can never be delivered
    follow_up,  // says nothing itself: another error came before it
  };
  Action action = Action::retry;
  ErrorKind kind = ErrorKind::unavailable;
  std::string_view hint;  // the option or the server's setting that mends it; may be empty
};

// `code` is a rd_kafka_resp_err_t.
Verdict classify(int code);

}  // namespace deltaforge::sinks::kafka
