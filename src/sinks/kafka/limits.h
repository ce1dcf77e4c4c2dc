// How large a record may be, and what follows from it.
#pragma once

#include <algorithm>
#include <cstddef>

namespace deltaforge::sinks::kafka {

// What a record has besides its key, value and idempotency key, at most: lengths, the names of our headers.
inline constexpr std::size_t kRecordFraming = 256;
// What a record batch adds to the only record in it, generously.
inline constexpr std::size_t kBatchFraming = kRecordFraming + 256;
// The most that librdkafka counts for a record besides its key and value when it fills a request.
inline constexpr std::size_t kRecordOverhead = 64;
inline constexpr std::size_t kUsualTopicLimit = 1'048'588;  // Kafka's default of max.message.bytes
// A broker hangs up on a request of more than 100 MiB (socket.request.max.bytes) without a word why.
inline constexpr std::size_t kUsualRequestLimit = 100 * 1024 * 1024 - 64 * 1024;
// Of what librdkafka allows for message.max.bytes.
inline constexpr std::size_t kLeastRecord = 1'000, kLargestRecord = 1'000'000'000 - kRecordFraming;

// All of a record's key, value and idempotency key.
struct Limits {
  // `wanted`: message.max.bytes of client_conf, `topic`: max.message.bytes of the topic; 0: not known.
  static Limits of(std::size_t wanted, std::size_t topic) {
    std::size_t takes = topic;
    if (topic == 0) takes = wanted != 0 ? std::min(wanted, kUsualTopicLimit) : kUsualTopicLimit;
    Limits limits;
    limits.largest =
        std::clamp(wanted != 0 ? wanted : std::max(kUsualRequestLimit, takes), kLeastRecord, kLargestRecord);
    limits.ordinary = std::min(limits.largest, takes - std::min(takes, kBatchFraming));
    limits.capacity = std::min(limits.largest, std::max(limits.ordinary, kUsualTopicLimit - kBatchFraming));
    return limits;
  }

  std::size_t largest = 0;  // what is larger is not sent
  // What is larger may be too large for the topic (whether it is depends on how it compresses), so that it goes alone.
  std::size_t ordinary = 0;
  // What the client takes. No more than needed: librdkafka allocates by it, for every request.
  std::size_t capacity = 0;
};

}  // namespace deltaforge::sinks::kafka
