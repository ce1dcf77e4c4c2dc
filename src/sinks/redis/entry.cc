#include "sinks/redis/entry.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/event_id.h"
#include "encode/idempotency_key.h"
#include "encode/make_encoder.h"
#include "sinks/redis/bulk.h"

namespace deltaforge::sinks::redis {
namespace {

constexpr std::string_view kEventId = "$8\r\nevent_id\r\n$36\r\n";
constexpr std::string_view kIdempotencyKey = "\r\n$15\r\nidempotency_key\r\n";
constexpr std::string_view kKey = "$6\r\ndf-key\r\n";
constexpr std::string_view kOldPayload = "$8\r\ndf-event\r\n";

}  // namespace

EntryWriter::EntryWriter(const Config& config, const SinkContext& context)
    : tenant_(context.tenant),
      payload_field_(config.payload_field),
      encoder_(encode::make_encoder(config.envelope, config.encoding, tenant_)),
      stream_(config.stream, tenant_),
      key_(config.key, context, config.id) {
  const std::size_t fields = payload_field_ == PayloadField::both ? 5 : 4;
  const std::size_t trim = config.maxlen ? 3 : 0;
  head_ = fmt::format("*{}\r\n", 3 + trim + 2 * fields) + bulk_text("XADD");
  if (config.maxlen)
    tail_ =
        bulk_text("MAXLEN") + bulk_text(config.maxlen_exact ? "=" : "~") + bulk_text(std::to_string(*config.maxlen));
  tail_ += bulk_text("*");
  tail_ += bulk_text(payload_field_ == PayloadField::df_event ? "df-event" : "event");
  if (!stream_.is_static()) return;
  Slab name;
  stream_.append(Event{}, name);
  head_ += bulk_text(name.view()) + tail_;
}

std::optional<EntryWriter::Refusal> EntryWriter::append(const Batch& batch, const Event& event, Slab& out) {
  const std::size_t begin = out.size();
  auto refused = append_head(event, out);
  if (refused) [[unlikely]] {
    out.truncate(begin);
    return refused;
  }
  const Commit& commit = batch.commits()[event.commit];
  std::string_view problem = append_payload(batch, event, out);
  if (problem.empty()) [[likely]] {
    out.append(kEventId);
    print_event_id(event_id(commit, event), out.room(36));
    out.add(36);
    out.append(kIdempotencyKey);
    Bulk idempotency(out, idempotency_size_);
    encode::append_idempotency_key(tenant_, commit, event, out);
    idempotency_size_ = idempotency.close();
    out.append(kKey);
    Bulk key(out, key_size_);
    problem = key_.append(event, out);
    if (problem.empty()) [[likely]]
      key_size_ = key.close();
  }
  if (!problem.empty()) [[unlikely]] {
    out.truncate(begin);
    return Refusal{"serialization", std::string(problem)};
  }
  refused = check_size(out.size() - begin, std::max(payload_size_, key_size_));
  if (refused) [[unlikely]]
    out.truncate(begin);
  return refused;
}

std::optional<EntryWriter::Refusal> EntryWriter::append_head(const Event& event, Slab& out) {
  out.append(head_);
  if (stream_.is_static()) return std::nullopt;
  Bulk stream(out, stream_size_);
  const std::string_view missing = stream_.append(event, out);
  if (!missing.empty()) return Refusal{"routing", fmt::format("the event has no value for {} in `stream`", missing)};
  stream_size_ = stream.close();
  if (stream_size_ == 0) return Refusal{"routing", "the variables in `stream` give an empty name for this event"};
  out.append(tail_);
  return std::nullopt;
}

std::string_view EntryWriter::append_payload(const Batch& batch, const Event& event, Slab& out) {
  Bulk payload(out, payload_size_);
  if (std::string_view reason = encoder_->encode(batch, event, out); !reason.empty()) return reason;
  payload_size_ = payload.close();
  if (payload_field_ != PayloadField::both) return {};
  const std::size_t size = count_digits(payload_size_) + 3 + payload_size_ + 2, at = out.size() - size;
  out.append(kOldPayload);
  out.room(size);
  out.append(out.view(at, size));
  return {};
}

std::optional<EntryWriter::Refusal> EntryWriter::check_size(std::size_t entry, std::size_t largest_value) const {
  if (largest_value > largest_value_)
    return Refusal{"too_large", fmt::format("it has {} bytes, and the server takes {} in one value: raise "
                                            "proto-max-bulk-len of the server",
                                            largest_value, largest_value_)};
  if (entry > kLargestEntry)
    return Refusal{"too_large", fmt::format("it has {} bytes, and a stream takes no entry of 1 GiB", entry)};
  return std::nullopt;
}

std::string EntryWriter::stream_of(const Event& event) const {
  Slab name;
  stream_.append(event, name);
  return std::string(name.view());
}

}  // namespace deltaforge::sinks::redis
