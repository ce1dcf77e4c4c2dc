// One event as an entry of a stream: XADD with the fields `event` (the payload), `event_id`, `idempotency_key`,
// `df-key` and, for an event that a processor gave headers, `df-headers`, in this order. One object per sink; its
// lane's thread only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/batch.h"
#include "core/encoder.h"
#include "encode/destination.h"
#include "encode/key_writer.h"
#include "sinks/redis/config.h"

namespace deltaforge::sinks::redis {

class EntryWriter {
 public:
  static constexpr std::size_t kUsualLargestValue = 512 * 1024 * 1024;  // the server's default of proto-max-bulk-len
  // A stream takes no entry of 1 GiB, whatever that setting says.
  static constexpr std::size_t kLargestEntry = 1024 * 1024 * 1024 - 64 * 1024;

  struct Refusal {
    std::string_view kind;
    std::string reason;
  };

  EntryWriter(const Config&, const SinkContext&);

  void limit_values(std::size_t largest) { largest_value_ = largest; }
  // Appends the command. A row that cannot be an entry leaves `out` as it was.
  std::optional<Refusal> append(const Batch&, const Event&, Slab& out);
  // The key of the stream that the event belongs to, for messages.
  std::string stream_of(const Event&) const;

 private:
  std::optional<Refusal> append_head(const Event&, Slab& out);
  std::string_view append_payload(const Batch&, const Event&, Slab& out);
  std::string_view append_headers(const Event&, Slab& out);
  std::optional<Refusal> check_size(std::size_t entry, std::size_t largest_value) const;

  const std::string tenant_;
  const PayloadField payload_field_;
  const std::unique_ptr<Encoder> encoder_;
  const encode::Destination stream_;
  encode::KeyWriter key_;
  std::string begin_, begin_with_headers_;  // up to the stream's key
  std::string tail_;                        // from there up to the payload
  std::string fixed_head_;                  // all of it, when the stream is always the same
  std::size_t largest_value_ = kUsualLargestValue;
  std::size_t stream_size_ = 10, payload_size_ = 100, idempotency_size_ = 10, key_size_ = 1;  // of the last event
  std::size_t headers_size_ = 10;
};

}  // namespace deltaforge::sinks::redis
