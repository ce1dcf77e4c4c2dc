#include "sinks/nats/message.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "base/ascii.h"
#include "core/event_id.h"
#include "encode/idempotency_key.h"
#include "encode/make_encoder.h"
#include "sinks/nats/subject.h"

namespace deltaforge::sinks::nats {
namespace {

constexpr std::string_view kKey = "df-key", kEventId = "df-event-id", kContentType = "content-type";
constexpr std::string_view kJson = "application/json";  // of a raw payload, whatever the envelope
constexpr std::string_view kBreaking("\r\n\0", 3);

// Names that only the sink gives.
bool is_ours(std::string_view name) {
  return starts_with_ignoring_case(name, "Nats-") || equal_ignoring_case(name, kKey) ||
         equal_ignoring_case(name, kContentType);
}

// memcpy() must not be given the null of an empty text.
void append_some(std::string_view text, Slab& out) {
  if (!text.empty()) out.append(text);
}

bool is_header_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) { return c > ' ' && c != 0x7f && c != ':'; });
}

// Returns where the value begins.
std::size_t begin_header(std::string_view name, Slab& out) {
  out.append(name);
  out.append(": ");
  return out.size();
}

// CR, LF and NUL of what stands behind `at` become %0D, %0A and %00; then the header ends. Returns the value's size.
std::size_t end_header(std::size_t at, Slab& out) {
  if (out.size() > at && out.view(at, out.size() - at).find_first_of(kBreaking) != std::string_view::npos)
      [[unlikely]] {
    const std::string raw(out.view(at, out.size() - at));
    out.truncate(at);
    for (const char c : raw) {
      if (kBreaking.find(c) == std::string_view::npos)
        out.append(c);
      else
        out.append(c == '\r' ? "%0D" : c == '\n' ? "%0A" : "%00");
    }
  }
  const std::size_t size = out.size() - at;
  out.append("\r\n");
  return size;
}

}  // namespace

MessageWriter::MessageWriter(const Config& config, const SinkContext& context)
    : tenant_(context.tenant),
      id_prefix_(context.pipeline + "." + config.id + ":"),
      encoder_(encode::make_encoder(config.envelope, config.encoding, tenant_)),
      subject_(config.subject, tenant_, "subject"),
      key_(config.key, context, config.id),
      content_type_(encoder_->content_type()) {}

std::optional<MessageWriter::Refusal> MessageWriter::write(const Batch& batch, const Event& event, Slab& out) {
  out.truncate(0);
  if (auto refused = write_subject(event, out)) [[unlikely]]
    return refused;

  payload_at_ = out.size();
  if (std::string_view reason = encoder_->encode(batch, event, out); !reason.empty()) [[unlikely]]
    return Refusal{"serialization", std::string(reason)};
  payload_size_ = out.size() - payload_at_;

  const Commit& commit = batch.commits()[event.commit];
  headers_at_ = out.size();
  id_at_ = begin_header(kMessageId, out);
  out.append(id_prefix_);
  encode::append_idempotency_key(tenant_, commit, event, out);
  id_size_ = end_header(id_at_, out);

  std::size_t at = begin_header(kKey, out);
  if (std::string_view reason = key_.append(event, out); !reason.empty()) [[unlikely]]
    return Refusal{"serialization", std::string(reason)};
  end_header(at, out);

  at = begin_header(kContentType, out);
  out.append(event.extra != nullptr && event.extra->raw_payload ? kJson : std::string_view(content_type_));
  end_header(at, out);

  // The outbox gives an event the id that its application has given it.
  const bool has_id = event.extra != nullptr && std::ranges::any_of(event.extra->headers, [](const Header& header) {
                        return equal_ignoring_case(header.name, kEventId);
                      });
  if (!has_id) {
    at = begin_header(kEventId, out);
    print_event_id(event_id(commit, event), out.room(36));
    out.add(36);
    end_header(at, out);
  }
  if (event.extra != nullptr && !event.extra->headers.empty())
    if (auto refused = write_routed_headers(event, out)) [[unlikely]]
      return refused;
  headers_size_ = out.size() - headers_at_ + kHeadersFrame;
  return std::nullopt;
}

std::optional<MessageWriter::Refusal> MessageWriter::write_subject(const Event& event, Slab& out) {
  subject_at_ = out.size();
  if (std::string reason = subject_.append(event, out); !reason.empty()) [[unlikely]]
    return Refusal{"routing", std::move(reason)};
  subject_size_ = out.size() - subject_at_;
  if (!subject_.is_fixed(event)) {
    if (const std::string_view problem = server_problem(out.view(subject_at_, subject_size_)); !problem.empty())
      return Refusal{"routing", fmt::format("the subject that this event goes to is refused: {}", problem)};
  }
  return std::nullopt;
}

std::optional<MessageWriter::Refusal> MessageWriter::write_routed_headers(const Event& event, Slab& out) {
  for (const Header& header : event.extra->headers) {
    if (is_ours(header.name)) continue;
    if (!is_header_name(header.name))
      return Refusal{"routing",
                     "a processor has given it a header whose name is empty, or has a blank, a colon or a "
                     "control character"};
    const std::size_t at = begin_header(header.name, out);
    append_some(header.value, out);
    end_header(at, out);
  }
  return std::nullopt;
}

std::string MessageWriter::subject_of(const Event& event) const { return subject_.name(event); }

}  // namespace deltaforge::sinks::nats
