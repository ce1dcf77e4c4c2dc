// What a sink tells the contract kit about itself, and what the kit reads in payloads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/sink.h"

namespace deltaforge::sinks::testing {

// One far side (a directory, a topic, a pipe) that lives as long as the object, with native JSON in it.
class Subject {
 public:
  virtual ~Subject() = default;
  // A new sink that delivers to this far side. Not opened yet.
  virtual std::unique_ptr<Sink> make(SinkContext) = 0;
  // All payloads on the far side, in order, read by other means than the sink's own code.
  virtual std::vector<std::string> read() = 0;
  // False when nothing can be read back (blackhole).
  virtual bool readable() const { return true; }
};

using SubjectMaker = std::function<std::unique_ptr<Subject>()>;
template <class T>
SubjectMaker subject_of() {
  return [] { return std::make_unique<T>(); };
}

// The value of a member that is a string, by plain search; the kit's payloads have it once.
inline std::string member(const std::string& payload, const std::string& name) {
  std::string key = "\"" + name + "\":\"";
  std::size_t at = payload.find(key);
  if (at == std::string::npos) return {};
  at += key.size();
  return payload.substr(at, payload.find('"', at) - at);
}

// `after.id` of each payload: what was delivered, in order.
inline std::vector<std::int64_t> row_ids(const std::vector<std::string>& payloads) {
  std::vector<std::int64_t> ids;
  for (const std::string& payload : payloads) {
    std::size_t at = payload.find("\"after\":{\"id\":");
    ids.push_back(at == std::string::npos ? -1 : std::stoll(payload.substr(at + 14)));
  }
  return ids;
}

inline std::vector<std::int64_t> sequence(std::int64_t first, std::int64_t count) {
  std::vector<std::int64_t> ids;
  for (std::int64_t i = 0; i < count; ++i) ids.push_back(first + i);
  return ids;
}

}  // namespace deltaforge::sinks::testing
