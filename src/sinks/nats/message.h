// One event as a message: subject, headers and payload, in one slab. Headers: `Nats-Msg-Id`, `df-key`, `df-event-id`,
// `content-type`, then what the event was given on its way; the sink adds what orders it in a stream. One object per
// sink; its lane's thread only.
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
// Of a header: its name, ": ", its value, CR LF.
inline constexpr std::size_t kHeaderFrame = 4;
// "NATS/1.0" before them and an empty line behind.
inline constexpr std::size_t kHeadersFrame = 12;
// What a stream takes.
inline constexpr std::size_t kLongestHeaders = 65'535;

class MessageWriter {
 public:
  struct Refusal {
    std::string_view kind;
    std::string reason;
  };
  struct HeaderAt {
    const char* name;     // null: at name_at
    std::size_t name_at;  // both are places in the slab, ended by NUL
    std::size_t value_at;
  };

  MessageWriter(const Config&, const SinkContext&);

  // Writes the message from the slab's beginning. A row that cannot be one is told.
  std::optional<Refusal> write(const Batch&, const Event&, Slab&);

  // Of the last message.
  std::string_view subject(const Slab& slab) const { return slab.view(subject_at_, subject_size_); }
  const char* text_at(Slab& slab, std::size_t at) const { return slab.data() + at; }
  std::string_view payload(const Slab& slab) const { return slab.view(payload_at_, payload_size_); }
  const std::vector<HeaderAt>& headers() const { return headers_; }
  const char* message_id(Slab& slab) const { return slab.data() + headers_[0].value_at; }
  std::size_t subject_at() const { return subject_at_; }
  // Bytes of its headers on the wire.
  std::size_t headers_size() const { return headers_size_; }
  std::size_t size() const { return headers_size_ + payload_size_; }

  // The subject that the event belongs to, for messages to people.
  std::string subject_of(const Event&) const;

 private:
  std::optional<Refusal> write_subject(const Event&, Slab&);
  std::optional<Refusal> write_routed_headers(const Event&, Slab&);
  void add(const char* name, std::size_t name_at, std::size_t name_size, std::size_t value_at, Slab&);

  const std::string tenant_;
  const std::string id_prefix_;
  const std::unique_ptr<Encoder> encoder_;
  const encode::Destination subject_;
  encode::KeyWriter key_;
  std::string content_type_;

  std::size_t subject_at_ = 0, subject_size_ = 0, payload_at_ = 0, payload_size_ = 0, headers_size_ = 0;
  std::vector<HeaderAt> headers_;
};

}  // namespace deltaforge::sinks::nats
