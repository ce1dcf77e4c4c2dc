// The routes of the dead letter queue.
#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/error.h"
#include "pipeline/journal.h"
#include "pipeline/retry.h"
#include "server/api.h"
#include "server/problem.h"

namespace deltaforge::server {
namespace {

using Json = nlohmann::ordered_json;
using pipeline::DeadLetter;
using pipeline::Journal;
using pipeline::Retried;
using pipeline::RetryRequest;

constexpr std::size_t kDefaultLimit = 50, kMaxLimit = 1000, kStep = 50;
constexpr std::size_t kMaxAnswer = 32 * 1024 * 1024;  // about; the rest is behind ?after_seq

std::string dump(const Json& body) { return body.dump(-1, ' ', false, Json::error_handler_t::replace); }

Response invalid(const std::string& what) { return problem(400, "INVALID_REQUEST", what); }

std::optional<std::uint64_t> number(const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The event stands in it as it was written: a parser would round its numbers.
std::string print(const std::string& pipeline, const DeadLetter& letter) {
  const auto& stage = letter.why.stage;
  Json head{{"seq", letter.seq},
            {"timestamp", letter.timestamp},
            {"pipeline", pipeline},
            {"stream", "dlq"},
            {"event_id", letter.event_id},
            {"source_cursor", Json::parse(letter.why.cursor.empty() ? "null" : letter.why.cursor, nullptr, false)},
            {"payload_truncated", letter.truncated}};
  Json meta{{"sink_id", nullptr},
            {"error_kind", letter.why.kind},
            {"error_message", letter.why.reason},
            {"attempts", letter.attempts}};
  if (stage.is_processor)
    meta["processor_id"] = stage.id;
  else
    meta["sink_id"] = stage.id;
  std::string text = dump(head);
  text.pop_back();
  return text + ",\"event\":" + letter.event + ",\"meta\":" + dump(meta) + "}";
}

Json print(const Retried& retried) {
  return {{"seq", retried.seq},
          {"event_id", retried.event_id},
          {"code", to_string(retried.result)},
          {"message", retried.why}};
}

// What a body of POST .../retry asks for; otherwise what is wrong with it.
std::optional<std::string> read_retry(const std::string& body, RetryRequest& to) {
  if (body.find_first_not_of(" \t\r\n") == std::string::npos) return std::nullopt;
  const Json json = Json::parse(body, nullptr, false);
  if (!json.is_object()) return "expected a JSON object, or no body for all entries";
  for (const auto& [name, value] : json.items()) {
    const bool is_text = name == "sink_id" || name == "processor_id" || name == "error_kind";
    const bool is_number = name == "seq" || name == "up_to_seq" || name == "limit";
    if (!is_text && !is_number)
      return "unknown field '" + name + "': choose from seq, up_to_seq, sink_id, processor_id, error_kind, limit";
    if (is_text && !value.is_string()) return name + ": expected text";
    if (is_number && (!value.is_number_unsigned() || value == 0)) return name + ": expected a number from 1";
    if (name == "sink_id") to.filter.sink = value;
    if (name == "processor_id") to.filter.processor = value;
    if (name == "error_kind") to.filter.kind = value;
    if (name == "seq") to.seq = value;
    if (name == "up_to_seq") to.up_to_seq = value;
    if (name == "limit") to.limit = value;
  }
  return std::nullopt;
}

}  // namespace

// A pipeline that has a journal, and what a route does with it. While a PATCH tries a new pipeline out each of the two
// has a journal of its own over the same entries: what takes entries away waits for the one that stays.
template <class F>
Response Api::with_journal(const Call& call, const std::shared_ptr<Runnable>& pipeline, F&& answer) {
  if (!pipeline && !manager_.find(call.name))
    return problem(404, "PIPELINE_NOT_FOUND", "no pipeline '" + call.name + "'; GET /pipelines lists them");
  Journal* journal = pipeline ? pipeline->journal() : nullptr;
  if (journal == nullptr)
    return problem(404, "DLQ_DISABLED",
                   "pipeline '" + call.name + "' has no journal: write `journal: {enabled: true}` into its spec");
  try {
    return answer(*pipeline, *journal);
  } catch (const Error& error) {
    return problem(503, "STORAGE_UNAVAILABLE", error.what());
  }
}

Response Api::dead_letters(const Call& call) {
  return with_journal(call, manager_.runnable(call.name), [&](Runnable&, Journal& journal) -> Response {
    Journal::Filter filter;
    std::size_t limit = kDefaultLimit;
    std::uint64_t after_seq = 0;
    for (const auto& [name, value] : call.request.query) {
      const auto amount = number(value);
      if (name == "sink_id") filter.sink = value;
      if (name == "processor_id") filter.processor = value;
      if (name == "error_kind") filter.kind = value;
      if ((name == "limit" || name == "after_seq") && !amount) return invalid(name + ": expected a number from 0");
      if (name == "limit") limit = std::min<std::uint64_t>(*amount, kMaxLimit);
      if (name == "after_seq") after_seq = *amount;
    }
    std::string body = "[";
    while (limit > 0 && body.size() < kMaxAnswer) {
      const auto letters = journal.list(filter, std::min(limit, kStep), after_seq);
      if (letters.empty()) break;
      for (const DeadLetter& letter : letters) {
        if (body.size() > 1) body += ',';
        body += print(call.name, letter);
      }
      after_seq = letters.back().seq;
      limit -= letters.size();
    }
    return {200, body + "]"};
  });
}

Response Api::count_dead_letters(const Call& call) {
  return with_journal(call, manager_.runnable(call.name), [](Runnable&, Journal& journal) -> Response {
    return {200, dump({{"count", journal.count()}})};
  });
}

Response Api::acknowledge(const Call& call) {
  return with_journal(call, manager_.settled(call.name), [&](Runnable&, Journal& journal) -> Response {
    const Json body = Json::parse(call.request.body, nullptr, false);
    if (!body.is_object() || body.size() != 1 || !body.contains("up_to_seq") || !body["up_to_seq"].is_number_unsigned())
      return invalid(R"(expected {"up_to_seq": n}, the `seq` of the last entry to remove)");
    return {200, dump({{"acked", journal.acknowledge(body["up_to_seq"])}})};
  });
}

Response Api::purge_dead_letters(const Call& call) {
  return with_journal(call, manager_.settled(call.name), [](Runnable&, Journal& journal) -> Response {
    return {200, dump({{"purged", journal.purge()}})};
  });
}

Response Api::retry_dead_letters(const Call& call) {
  return with_journal(call, manager_.runnable(call.name), [&](Runnable& pipeline, Journal& journal) -> Response {
    RetryRequest request;
    if (const auto wrong = read_retry(call.request.body, request)) return invalid(*wrong);
    const auto all = pipeline.retry(request);
    if (!all)
      return problem(409, "PIPELINE_NOT_RUNNING",
                     "pipeline '" + call.name + "' does not run: resume it, then try again");
    if (request.seq > 0 && all->empty())
      return problem(404, "ENTRY_NOT_FOUND", "no entry " + std::to_string(request.seq) + " in the journal");
    if (request.seq > 0 && all->front().result == Retried::Result::not_replayable)
      return problem(409, "NOT_REPLAYABLE", all->front().why);
    Json others = Json::array();
    std::size_t delivered = 0, pending = 0;
    for (const Retried& each : *all) {
      delivered += each.result == Retried::Result::delivered ? 1 : 0;
      pending += each.result == Retried::Result::pending ? 1 : 0;
      if (each.result != Retried::Result::delivered) others.push_back(print(each));
    }
    return {200, dump({{"delivered", delivered},
                       {"failed", all->size() - delivered - pending},
                       {"pending", pending},
                       {"remaining", journal.count()},
                       {"not_delivered", others}})};
  });
}

}  // namespace deltaforge::server
