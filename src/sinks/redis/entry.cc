#include "sinks/redis/entry.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/event_id.h"
#include "encode/idempotency_key.h"
#include "encode/json_writer.h"
#include "encode/make_encoder.h"
#include "sinks/redis/bulk.h"

namespace deltaforge::sinks::redis {
namespace {

constexpr std::string_view kEventId = "$8\r\nevent_id\r\n$36\r\n";
constexpr std::string_view kIdempotencyKey = "\r\n$15\r\nidempotency_key\r\n";
constexpr std::string_view kKey = "$6\r\ndf-key\r\n";
constexpr std::string_view kHeaders = "$10\r\ndf-headers\r\n";
constexpr std::string_view kOldPayload = "$8\r\ndf-event\r\n";

bool has_headers(const Event& event) { return event.extra != nullptr && !event.extra->headers.empty(); }

}  // namespace

EntryWriter::EntryWriter(const Config& config, const SinkContext& context)
    : tenant_(context.tenant),
      payload_field_(config.payload_field),
      encoder_(encode::make_encoder(config.envelope, config.encoding, tenant_)),
      stream_(config.stream, tenant_, "stream"),
      key_(config.key, context, config.id) {
  const std::size_t fields = payload_field_ == PayloadField::both ? 5 : 4;
  const std::size_t trim = config.maxlen ? 3 : 0;
  begin_ = fmt::format("*{}\r\n", 3 + trim + 2 * fields) + bulk_text("XADD");
  begin_with_headers_ = fmt::format("*{}\r\n", 3 + trim + 2 * (fields + 1)) + bulk_text("XADD");
  if (config.maxlen)
    tail_ =
        bulk_text("MAXLEN") + bulk_text(config.maxlen_exact ? "=" : "~") + bulk_text(std::to_string(*config.maxlen));
  tail_ += bulk_text("*");
  tail_ += bulk_text(payload_field_ == PayloadField::df_event ? "df-event" : "event");
  if (stream_.is_static()) fixed_head_ = begin_ + bulk_text(stream_.fixed()) + tail_;
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
  if (problem.empty() && has_headers(event)) [[unlikely]]
    problem = append_headers(event, out);
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
  const bool headers = has_headers(event);
  if (!headers && stream_.is_fixed(event)) [[likely]] {
    out.append(fixed_head_);
    return std::nullopt;
  }
  out.append(headers ? begin_with_headers_ : begin_);
  Bulk stream(out, stream_size_);
  if (std::string reason = stream_.append(event, out); !reason.empty()) return Refusal{"routing", std::move(reason)};
  stream_size_ = stream.close();
  out.append(tail_);
  return std::nullopt;
}

// A JSON object.
std::string_view EntryWriter::append_headers(const Event& event, Slab& out) {
  out.append(kHeaders);
  Bulk bulk(out, headers_size_);
  {
    encode::JsonWriter json(out);
    json.raw('{');
    for (const Header& each : event.extra->headers) {
      if (!json.string(each.name)) return "a header's name is not UTF-8";
      json.raw(':');
      if (!json.string(each.value)) return "a header's value is not UTF-8";
      json.raw(',');
    }
    json.close('}');
    json.commit();
  }
  headers_size_ = bulk.close();
  return {};
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

std::string EntryWriter::stream_of(const Event& event) const { return stream_.name(event); }

}  // namespace deltaforge::sinks::redis
