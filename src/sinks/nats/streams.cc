#include "sinks/nats/streams.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "sinks/nats/ack.h"
#include "sinks/nats/classify.h"
#include "sinks/nats/subject.h"

namespace deltaforge::sinks::nats {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostRemembered = 1024;
constexpr std::uint32_t kNoJetStream = 10076, kNotForAccount = 10039;
constexpr std::string_view kAway = "start JetStream on the server (-js), and enable it for the account of this user";

SteadyTime now() { return std::chrono::steady_clock::now(); }

// Null for what is no JSON object.
Json parse(std::string_view text) {
  Json json = Json::parse(text, nullptr, false);
  return json.is_object() ? json : Json();
}

template <class T>
T get(const Json& json, const char* name, T otherwise) {
  if (!json.is_object()) return otherwise;
  const auto found = json.find(name);
  if (found == json.end()) return otherwise;
  if constexpr (std::is_same_v<T, std::string>) return found->is_string() ? found->get<std::string>() : otherwise;
  if constexpr (std::is_same_v<T, bool>) return found->is_boolean() ? found->get<bool>() : otherwise;
  if constexpr (std::is_same_v<T, std::int64_t>) return found->is_number_integer() ? found->get<T>() : otherwise;
  return otherwise;
}

const Json& part(const Json& json, const char* name) {
  static const Json kNone;
  const auto found = json.find(name);
  return found == json.end() ? kNone : *found;
}

struct ApiError {
  std::uint32_t code = 0;
  std::string text;
};
std::optional<ApiError> error_in(const Json& json) {
  const Json& error = part(json, "error");
  if (!error.is_object()) return std::nullopt;
  return ApiError{static_cast<std::uint32_t>(get<std::int64_t>(error, "err_code", 0)),
                  get<std::string>(error, "description", "it gives no reason")};
}

Error not_understood(const std::string& where) {
  return {ErrorKind::unavailable, fmt::format("the answer of JetStream at NATS {} is not understood", where),
          "check that this is a NATS server, 2.2 or later"};
}

std::string add_command(const std::string& stream, const std::string& subject) {
  return fmt::format("create it: nats stream add {} --subjects '{}'", stream, subject);
}

}  // namespace

bool Stream::takes(std::string_view subject) const {
  return std::ranges::any_of(subjects, [&](const std::string& pattern) { return captures(pattern, subject); });
}

Stream parse_stream(std::string_view text, const std::string& name, const std::string& where) {
  const Json json = parse(text);
  if (const auto error = error_in(json)) {
    const Verdict verdict = classify(error->code, error->text);
    throw Error(verdict.kind, fmt::format("stream {} of NATS {}: {}", name, where, error->text),
                std::string(verdict.hint));
  }
  const Json &config = part(json, "config"), &state = part(json, "state");
  if (!config.is_object() || !state.is_object() || get<std::int64_t>(state, "last_seq", -1) < 0)
    throw not_understood(where);
  Stream stream;
  stream.name = get<std::string>(config, "name", name);
  stream.hash = stream_hash(stream.name);
  if (const Json& subjects = part(config, "subjects"); subjects.is_array())
    for (const Json& each : subjects)
      if (each.is_string()) stream.subjects.push_back(each.get<std::string>());
  stream.last_sequence = static_cast<std::uint64_t>(get<std::int64_t>(state, "last_seq", 0));
  if (const auto most = get<std::int64_t>(config, "max_msg_size", -1); most >= 0)
    stream.max_message = static_cast<std::size_t>(most);
  stream.without_acks = get<bool>(config, "no_ack", false);
  stream.known = stream.next = stream.last_sequence;
  return stream;
}

std::vector<std::string> parse_names(std::string_view text, std::size_t& total, const std::string& where) {
  const Json json = parse(text);
  if (const auto error = error_in(json)) {
    if (error->code == kNoJetStream || error->code == kNotForAccount) return {};
    const Verdict verdict = classify(error->code, error->text);
    throw Error(verdict.kind, fmt::format("asking for the streams of NATS {}: {}", where, error->text),
                std::string(verdict.hint));
  }
  const std::int64_t count = get<std::int64_t>(json, "total", -1);
  if (!json.is_object() || count < 0) throw not_understood(where);
  total = static_cast<std::size_t>(count);
  std::vector<std::string> names;
  if (const Json& streams = part(json, "streams"); streams.is_array())
    for (const Json& each : streams)
      if (each.is_string()) names.push_back(each.get<std::string>());
  return names;
}

Error not_captured_any_more(const Config& config, const std::string& where) {
  return {ErrorKind::unavailable,
          fmt::format("no stream of NATS {} captures '{}' any more", where, config.subject.text()),
          "create the stream again (nats stream add), or bring JetStream back"};
}

Streams::Streams(const Config& config, Connection& connection)
    : config_(config), connection_(connection), cover_(cover(config.subject)) {
  if (!config_.stream) {
    find(cover_);
    return;
  }
  all_.push_back(info(*config_.stream));
  if (config_.subject.is_static() && !all_[0].takes(cover_))
    throw Error(ErrorKind::unavailable,
                fmt::format("stream {} of NATS {} does not capture the subject {}", *config_.stream,
                            connection_.where(), cover_),
                fmt::format("add it: nats stream edit {} --subjects '{}'; or change `subject` or `stream`",
                            *config_.stream, cover_));
}

Stream* Streams::of(std::string_view subject) {
  if (last_ != nullptr && subject == last_subject_) [[likely]]
    return last_;
  auto look = [&] {
    const auto found = std::ranges::find_if(all_, [&](const Stream& each) { return each.takes(subject); });
    return found == all_.end() ? nullptr : &*found;
  };
  Stream* found = look();
  if (found == nullptr && !config_.stream && !asked_lately(subject)) {
    find(captures(cover_, subject) ? cover_ : std::string(subject));
    found = look();
  }
  last_ = found;
  last_subject_.assign(subject);
  return found;
}

bool Streams::asked_lately(std::string_view subject) {
  const SteadyTime at = now();
  if (captures(cover_, subject)) return at - asked_at_ < kRemember;
  if (asked_.size() >= kMostRemembered) asked_.clear();
  const auto [entry, first] = asked_.try_emplace(std::string(subject), at);
  if (!first && at - entry->second < kRemember) return true;
  entry->second = at;
  return false;
}

void Streams::refresh(Stream& stream) {
  Stream fresh = info(stream.name);
  stream.subjects = std::move(fresh.subjects);
  stream.last_sequence = fresh.last_sequence;
  stream.max_message = fresh.max_message;
  last_ = nullptr;
}

Stream Streams::info(const std::string& name) {
  const auto answer = connection_.ask("$JS.API.STREAM.INFO." + name, "");
  if (!answer)
    throw Error(ErrorKind::unavailable,
                fmt::format("stream {}: JetStream does not answer at NATS {}", name, connection_.where()),
                std::string(kAway));
  try {
    Stream stream = parse_stream(*answer, name, connection_.where());
    if (stream.without_acks)
      throw Error(ErrorKind::config,
                  fmt::format("stream {} of NATS {} acknowledges nothing (no_ack)", name, connection_.where()),
                  "make it anew without --no-ack, or change `stream`");
    return stream;
  } catch (const Error& error) {
    if (error.message().find("stream not found") == std::string::npos) throw;
    throw Error(error.kind(), error.message(), add_command(name, cover_));
  }
}

// Adds the streams that capture something of `subject`, which may have wildcards.
void Streams::find(const std::string& subject) {
  if (subject == cover_) asked_at_ = now();
  std::size_t total = 1;
  for (std::size_t seen = 0; seen < total;) {
    const Json request{{"subject", subject}, {"offset", seen}};
    const auto answer =
        connection_.ask("$JS.API.STREAM.NAMES", request.dump(-1, ' ', false, Json::error_handler_t::replace));
    if (!answer) return;  // no JetStream here
    const auto names = parse_names(*answer, total, connection_.where());
    if (names.empty()) return;
    if (total > kMost)
      throw Error(ErrorKind::config,
                  fmt::format("{} streams of NATS {} may capture '{}'", total, connection_.where(), subject),
                  "name one in `stream`, or begin `subject` with a part that tells");
    seen += names.size();
    for (const std::string& name : names)
      if (std::ranges::none_of(all_, [&](const Stream& each) { return each.name == name; })) all_.push_back(info(name));
  }
}

}  // namespace deltaforge::sinks::nats
