#include "sinks/redis/classify.h"

#include <string_view>

#include <gtest/gtest.h>

namespace deltaforge::sinks::redis {
namespace {

using Action = Verdict::Action;

struct Expected {
  std::string_view text;
  Action action;
  ErrorKind kind;
};

TEST(RedisClassify, EveryKnownErrorHasItsVerdictAndRemedy) {
  constexpr Expected kTable[] = {
      {"NOAUTH Authentication required.", Action::stop, ErrorKind::auth},
      {"WRONGPASS invalid username-password pair or user is disabled.", Action::stop, ErrorKind::auth},
      {"NOPERM this user has no permissions to run the 'xadd' command", Action::stop, ErrorKind::auth},
      {"DENIED Redis is running in protected mode because ...", Action::stop, ErrorKind::auth},
      {"ERR AUTH <password> called without any password configured for the default user.", Action::stop,
       ErrorKind::auth},
      {"WRONGTYPE Operation against a key holding the wrong kind of value", Action::stop, ErrorKind::config},
      {"ERR DB index is out of range", Action::stop, ErrorKind::config},
      {"MOVED 3999 127.0.0.1:6381", Action::stop, ErrorKind::unsupported},
      {"ASK 3999 127.0.0.1:6381", Action::stop, ErrorKind::unsupported},
      {"CROSSSLOT Keys in request don't hash to the same slot", Action::stop, ErrorKind::unsupported},
      {"ERR unknown command 'XADD', with args beginning with: 'orders' ", Action::stop, ErrorKind::unsupported},
      {"ERR Protocol error: invalid bulk length", Action::too_large, ErrorKind::limit},
      {"OOM command not allowed when used memory > 'maxmemory'.", Action::retry, ErrorKind::unavailable},
      {"READONLY You can't write against a read only replica.", Action::retry, ErrorKind::unavailable},
      {"LOADING Redis is loading the dataset in memory", Action::retry, ErrorKind::unavailable},
      {"CLUSTERDOWN Hash slot not served", Action::retry, ErrorKind::unavailable},
      {"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", Action::retry,
       ErrorKind::unavailable},
      {"MISCONF Errors writing to the AOF file: No space left on device", Action::retry, ErrorKind::unavailable},
      {"NOREPLICAS Not enough good replicas to write.", Action::retry, ErrorKind::unavailable},
      {"BUSY Redis is busy running a script.", Action::retry, ErrorKind::unavailable},
      {"ERR max number of clients reached", Action::retry, ErrorKind::unavailable},
      {"EXECABORT Transaction discarded because of: OOM command not allowed", Action::retry, ErrorKind::unavailable},
      {"EXECABORT Transaction discarded because of: NOPERM this user", Action::stop, ErrorKind::auth},
  };
  for (const Expected& row : kTable) {
    const Verdict verdict = classify(row.text);
    EXPECT_EQ(verdict.action, row.action) << row.text;
    EXPECT_EQ(verdict.kind, row.kind) << row.text;
    EXPECT_FALSE(verdict.hint.empty()) << row.text;
  }
}

// No error that nobody thought of may stop a pipeline or drop a row.
TEST(RedisClassify, AnythingElseIsTriedAgain) {
  for (std::string_view text : {"", "ERR", "ERR something new", "TRYAGAIN Multiple keys request", "UNBLOCKED x",
                                "EXECABORT Transaction discarded because of previous errors.", "noauth"}) {
    EXPECT_EQ(classify(text).action, Action::retry) << text;
    EXPECT_EQ(classify(text).kind, ErrorKind::unavailable) << text;
  }
}

TEST(RedisClassify, NeitherRowsNorThePasswordAreQuoted) {
  EXPECT_EQ(quotable("ERR unknown command 'AUTH', with args beginning with: 'app' 'canary' ", "x"),
            "ERR unknown command 'AUTH'");
  EXPECT_EQ(quotable("ERR canary is wrong, canary", "canary"), "ERR *** is wrong, ***");
  EXPECT_EQ(quotable("ERR plain", ""), "ERR plain");
}

}  // namespace
}  // namespace deltaforge::sinks::redis
