// One event as a message: subject, payload and headers, in one slab. Headers, as they go over the wire: `Nats-Msg-Id`,
// `df-key`, `content-type`, `df-event-id`, then what the event was given on its way. What orders it in a stream the
// connection puts before them: servers look for the first place where such a name stands, and a value may hold it.
// One object per sink; its lane's thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/slab.h"
#include "core/batch.h"
#include "core/encoder.h"
#include "encode/destination.h"
#include "encode/key_writer.h"
#include "sinks/nats/config.h"

namespace deltaforge::sinks::nats {

inline constexpr std::string_view kMessageId = "Nats-Msg-Id";
inline constexpr std::string_view kLastSequence = "Nats-Expected-Last-Sequence";
inline constexpr std::string_view kLastId = "Nats-Expected-Last-Msg-Id";
inline constexpr std::string_view kExpectedStream = "Nats-Expected-Stream";
inline constexpr std::string_view kHeadersBegin = "NATS/1.0\r\n";
// Of a header: its name, ": ", its value, CR LF.
inline constexpr std::size_t kHeaderFrame = 4;
// What begins them, and the empty line behind.
inline constexpr std::size_t kHeadersFrame = kHeadersBegin.size() + 2;
// What a stream takes.
inline constexpr std::size_t kLongestHeaders = 65'535;

class MessageWriter {
 public:
  struct Refusal {
    std::string_view kind;
    std::string reason;
  };

  MessageWriter(const Config&, const SinkContext&);

  // Writes the message from the slab's beginning. A row that cannot be one is told.
  std::optional<Refusal> write(const Batch&, const Event&, Slab&);

  // Of the last message.
  std::string_view subject(const Slab& slab) const { return slab.view(subject_at_, subject_size_); }
  std::string_view payload(const Slab& slab) const { return slab.view(payload_at_, payload_size_); }
  // "name: value" with CR LF each; without what begins and ends them.
  std::string_view headers(const Slab& slab) const { return slab.view(headers_at_, headers_size_ - kHeadersFrame); }
  std::string_view message_id(const Slab& slab) const { return slab.view(id_at_, id_size_); }
  // Bytes of its headers on the wire, all of them.
  std::size_t headers_size() const { return headers_size_; }
  std::size_t size() const { return headers_size_ + payload_size_; }

  // The subject that the event belongs to, for messages to people.
  std::string subject_of(const Event&) const;

 private:
  std::optional<Refusal> write_subject(const Event&, Slab&);
  std::optional<Refusal> write_routed_headers(const Event&, Slab&);

  const std::string tenant_;
  const std::string id_prefix_;
  const std::unique_ptr<Encoder> encoder_;
  const encode::Destination subject_;
  encode::KeyWriter key_;
  std::string content_type_;

  std::size_t subject_at_ = 0, subject_size_ = 0, payload_at_ = 0, payload_size_ = 0;
  std::size_t headers_at_ = 0, headers_size_ = 0, id_at_ = 0, id_size_ = 0;
};

}  // namespace deltaforge::sinks::nats
