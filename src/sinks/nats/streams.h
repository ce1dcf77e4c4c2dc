// The streams that take what this sink publishes, and what the next message of each must expect. Lane thread.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "sinks/nats/connection.h"

namespace deltaforge::sinks::nats {

struct Stream {
  // What the server says.
  std::string name;
  std::vector<std::string> subjects;
  std::uint64_t last_sequence = 0;
  std::optional<std::size_t> max_message;  // headers and payload; nothing: no limit of its own
  bool without_acks = false;

  std::uint64_t hash = 0;  // of the name, as acknowledgements are told apart
  // What the sink has seen and done.
  std::uint64_t known = 0;  // the last sequence that we know of
  std::uint64_t next = 0;   // the last sequence once all under way are stored
  std::string last_id;      // Nats-Msg-Id of the message that went last
  std::size_t in_flight = 0;
  bool duplicates = false;    // it had a message already: `next` counts that one in vain
  bool replaying = false;     // it has had some: what sequence comes next is not told until one is new
  bool refusals = false;      // a message did not follow what it must follow
  bool shared = false;        // somebody else writes, too: one message of a subject at a time,
  SteadyTime shared_until{};  // until then at least

  bool takes(std::string_view subject) const;
};

// From the answer to $JS.API.STREAM.INFO. Pure. Throws Error.
Stream parse_stream(std::string_view json, const std::string& name, const std::string& where);
// One page of $JS.API.STREAM.NAMES; `total` is how many there are. Pure. Throws Error.
std::vector<std::string> parse_names(std::string_view json, std::size_t& total, const std::string& where);

// No stream captures the subject of this sink any more, though one did.
Error not_captured_any_more(const Config&, const std::string& where);

class Streams {
 public:
  static constexpr std::size_t kMost = 64;
  // For so long nobody is asked again whether a stream captures a subject by now.
  static constexpr std::chrono::seconds kRemember{10};

  // Asks the server. Throws Error: the stream of the configuration is not there, or does not take the subject.
  Streams(const Config&, Connection&);

  bool any() const { return !all_.empty(); }
  // The stream that captures the subject, or null: none does. May ask the server. Valid until the object's end.
  Stream* of(std::string_view subject);
  // Asks again what the server knows of this one. Throws Error.
  void refresh(Stream&);
  std::deque<Stream>& all() { return all_; }

 private:
  Stream info(const std::string& name);
  void find(const std::string& subject);
  bool asked_lately(std::string_view subject);

  const Config& config_;
  Connection& connection_;
  const std::string cover_;
  std::deque<Stream> all_;  // places stay
  std::string last_subject_;
  Stream* last_ = nullptr;
  SteadyTime asked_at_{};
  std::unordered_map<std::string, SteadyTime> asked_;  // subjects beside cover_ that nobody captured
};

}  // namespace deltaforge::sinks::nats
