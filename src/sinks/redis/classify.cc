#include "sinks/redis/classify.h"

#include <array>

namespace deltaforge::sinks::redis {
namespace {

using Action = Verdict::Action;

struct Row {
  std::string_view prefix;
  Verdict verdict;
};

constexpr std::string_view kCredentials = "check user and password in `uri`";
constexpr std::string_view kAcl =
    "grant this user what the sink needs: ACL SETUSER <user> ~<stream> +multi +exec +xadd";
constexpr std::string_view kMemory = "raise maxmemory of the server, set `maxlen`, or trim its streams";
constexpr std::string_view kReplica = "let `uri` name the master, or promote this replica";
constexpr std::string_view kCluster = "not in this build: Redis Cluster; let `uri` name a server without cluster mode";
constexpr std::string_view kType = "the key holds something else than a stream: change `stream`, or remove that key";
constexpr std::string_view kOld = "streams need Redis 5.0 or later, and XADD, MULTI and EXEC under their own names";
constexpr std::string_view kSize = "raise proto-max-bulk-len of the server";

constexpr Verdict auth(std::string_view hint) { return {Action::stop, ErrorKind::auth, hint}; }
constexpr Verdict config(std::string_view hint) { return {Action::stop, ErrorKind::config, hint}; }
constexpr Verdict unsupported(std::string_view hint) { return {Action::stop, ErrorKind::unsupported, hint}; }
constexpr Verdict retry(std::string_view hint) { return {Action::retry, ErrorKind::unavailable, hint}; }
constexpr Verdict too_large(std::string_view hint) { return {Action::too_large, ErrorKind::limit, hint}; }

constexpr auto kTable = std::to_array<Row>({
    {"NOAUTH", auth(kCredentials)},
    {"WRONGPASS", auth(kCredentials)},
    {"ERR invalid password", auth(kCredentials)},  // before 6.0
    {"ERR AUTH <password> called without any password configured",
     auth("the server has no password: leave it out of `uri`, or give the user too")},
    {"ERR Client sent AUTH, but no password is set", auth("the server has no password: leave it out of `uri`")},
    {"NOPERM", auth(kAcl)},
    {"DENIED", auth("the server is in protected mode: set a password for it and bind its address")},

    {"WRONGTYPE", config(kType)},
    {"ERR DB index is out of range", config("change the database at the end of `uri`")},
    {"ERR invalid DB index", config("change the database at the end of `uri`")},
    {"ERR SELECT is not allowed in cluster mode", unsupported(kCluster)},
    {"MOVED", unsupported(kCluster)},
    {"ASK ", unsupported(kCluster)},
    {"CROSSSLOT", unsupported(kCluster)},
    {"ERR unknown command", unsupported(kOld)},

    {"ERR Protocol error: invalid bulk length", too_large(kSize)},
    {"ERR Elements are too large to be stored", too_large("an entry of a stream cannot be larger than 1 GiB")},

    {"OOM", retry(kMemory)},
    {"READONLY", retry(kReplica)},
    {"LOADING", retry("the server is loading its data and answers when it is done")},
    {"CLUSTERDOWN", retry("the cluster has slots that nobody serves: bring its nodes back")},
    {"MASTERDOWN", retry("this replica has lost its master: let `uri` name the master")},
    {"MISCONF", retry("the server cannot save its data and takes no writes: see its log, make room on its disk")},
    {"NOREPLICAS", retry("bring replicas back, or lower min-replicas-to-write")},
    {"BUSY", retry("a script keeps the server busy: SCRIPT KILL ends it")},
    {"ERR max number of clients reached", retry("raise maxclients of the server")},
});

// EXEC says in its own error why a transaction was discarded.
constexpr std::string_view kAborted = "EXECABORT Transaction discarded because of: ";

}  // namespace

Verdict classify(std::string_view text) {
  if (text.starts_with(kAborted)) text.remove_prefix(kAborted.size());
  for (const Row& row : kTable)
    if (text.starts_with(row.prefix)) return row.verdict;
  return {};
}

std::string quotable(std::string_view text, std::string_view password) {
  std::string quoted(text.substr(0, text.find(", with args beginning with")));
  if (password.empty()) return quoted;
  for (std::size_t at = quoted.find(password); at != std::string::npos; at = quoted.find(password, at + 3))
    quoted.replace(at, password.size(), "***");
  return quoted;
}

}  // namespace deltaforge::sinks::redis
