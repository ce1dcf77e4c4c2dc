#include "sinks/nats/classify.h"

#include <array>

namespace deltaforge::sinks::nats {
namespace {

using Action = Verdict::Action;

struct Row {
  std::uint32_t code;
  std::string_view text;  // how the description begins
  Verdict verdict;
};

constexpr std::string_view kFull =
    "the stream is full and discards new messages: raise its limits (nats stream edit), purge it, or set discard to "
    "old";
constexpr std::string_view kStore = "the server cannot write the stream: see its log, make room on its disk";
constexpr std::string_view kResources = "the server or the account is out of storage: raise its limits, or make room";
constexpr std::string_view kAway = "the stream has no leader just now: it goes on when its servers are back";

constexpr std::uint32_t kNotStored = 10077;  // with the reason as its description

constexpr Verdict retry(std::string_view hint) { return {Action::retry, ErrorKind::unavailable, hint}; }
constexpr Verdict stop(ErrorKind kind, std::string_view hint) { return {Action::stop, kind, hint}; }
constexpr Verdict not_next() { return {Action::not_next, ErrorKind::unavailable, {}}; }
constexpr Verdict too_large(std::string_view hint) { return {Action::too_large, ErrorKind::limit, hint}; }

constexpr auto kTable = std::to_array<Row>({
    {10071, "wrong last sequence", not_next()},
    {10164, "wrong last sequence", not_next()},  // the same, without the sequence
    {10070, "wrong last msg ID", not_next()},
    {10158, "duplicate message id is in process", not_next()},

    {10054, "message size exceeds maximum", too_large("raise the stream's max_msg_size")},
    {10097, "header size exceeds maximum", too_large("headers may have 65,535 bytes together")},

    {kNotStored, "maximum messages exceeded", retry(kFull)},
    {kNotStored, "maximum bytes exceeded", retry(kFull)},
    {kNotStored, "maximum messages per subject exceeded", retry(kFull)},
    {10023, "insufficient resources", retry(kResources)},
    {10047, "insufficient storage resources", retry(kResources)},
    {10028, "insufficient memory resources", retry(kResources)},
    {10002, "resource limits exceeded for account", retry(kResources)},
    {10167, "too many requests", retry("the server takes no more just now: it goes on by itself")},
    {10008, "JetStream system temporarily unavailable", retry(kAway)},
    {10009, "JetStream cluster can not handle request", retry(kAway)},
    {10059, "stream not found", retry("create the stream (nats stream add)")},
    {10060, "expected stream does not match",
     retry("another stream captures the subject: change `stream`, or the subjects of the streams")},
    {10076, "JetStream not enabled", retry("enable JetStream on the server (-js)")},
    {10039, "JetStream not enabled for account", retry("enable JetStream for the account of this user")},
    {10109, "invalid operation on sealed stream",
     stop(ErrorKind::config, "the stream is sealed and takes nothing more: change `stream`")},
});

}  // namespace

Verdict classify(std::uint32_t code, std::string_view description) {
  if (code == kNotStored && !description.starts_with("maximum")) return retry(kStore);
  for (const Row& row : kTable)
    if (code == row.code) return row.verdict;
  for (const Row& row : kTable)
    if (description.starts_with(row.text)) return row.verdict;
  return {};
}

}  // namespace deltaforge::sinks::nats
