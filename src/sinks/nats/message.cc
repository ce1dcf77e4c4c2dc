#include "sinks/nats/message.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "core/event_id.h"
#include "encode/idempotency_key.h"
#include "encode/make_encoder.h"
#include "sinks/nats/subject.h"

namespace deltaforge::sinks::nats {
namespace {

constexpr std::string_view kKey = "df-key", kEventId = "df-event-id", kContentType = "content-type";
constexpr std::string_view kJson = "application/json";  // of a raw payload, whatever the envelope
constexpr std::string_view kBreaking("\r\n\0", 3);

bool equal_names(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::ranges::equal(a, b, [](char x, char y) {
           return (x >= 'A' && x <= 'Z' ? x + 32 : x) == (y >= 'A' && y <= 'Z' ? y + 32 : y);
         });
}

// Names that only the sink gives.
bool is_ours(std::string_view name) {
  constexpr std::string_view kServers = "Nats-";
  return equal_names(name.substr(0, kServers.size()), kServers) || equal_names(name, kKey) ||
         equal_names(name, kContentType);
}

void append_some(std::string_view text, Slab& out) {
  if (!text.empty()) out.append(text);
}

bool is_header_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) { return c > ' ' && c != 0x7f && c != ':'; });
}

// CR, LF and NUL of what stands behind `at` become %0D, %0A and %00; then it is ended by a NUL.
void end_value(std::size_t at, Slab& out) {
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
  out.append('\0');
}

}  // namespace

MessageWriter::MessageWriter(const Config& config, const SinkContext& context)
    : tenant_(context.tenant),
      id_prefix_(context.pipeline + "." + config.id + ":"),
      encoder_(encode::make_encoder(config.envelope, config.encoding, tenant_)),
      subject_(config.subject, tenant_, "subject"),
      key_(config.key, context, config.id),
      content_type_(encoder_->content_type()) {
  headers_.reserve(16);
}

std::optional<MessageWriter::Refusal> MessageWriter::write(const Batch& batch, const Event& event, Slab& out) {
  out.truncate(0);
  headers_.clear();
  headers_size_ = kHeadersFrame;
  if (auto refused = write_subject(event, out)) [[unlikely]]
    return refused;

  payload_at_ = out.size();
  if (std::string_view reason = encoder_->encode(batch, event, out); !reason.empty()) [[unlikely]]
    return Refusal{"serialization", std::string(reason)};
  payload_size_ = out.size() - payload_at_;

  const Commit& commit = batch.commits()[event.commit];
  std::size_t at = out.size();
  out.append(id_prefix_);
  encode::append_idempotency_key(tenant_, commit, event, out);
  end_value(at, out);
  add(kMessageId.data(), 0, kMessageId.size(), at, out);

  at = out.size();
  if (std::string_view reason = key_.append(event, out); !reason.empty()) [[unlikely]]
    return Refusal{"serialization", std::string(reason)};
  end_value(at, out);
  add(kKey.data(), 0, kKey.size(), at, out);

  at = out.size();
  out.append(event.extra != nullptr && event.extra->raw_payload ? kJson : std::string_view(content_type_));
  end_value(at, out);
  add(kContentType.data(), 0, kContentType.size(), at, out);

  // The outbox gives an event the id that its application has given it.
  const bool has_id = event.extra != nullptr && std::ranges::any_of(event.extra->headers, [](const Header& header) {
                        return equal_names(header.name, kEventId);
                      });
  if (!has_id) {
    at = out.size();
    print_event_id(event_id(commit, event), out.room(36));
    out.add(36);
    end_value(at, out);
    add(kEventId.data(), 0, kEventId.size(), at, out);
  }
  if (event.extra != nullptr && !event.extra->headers.empty()) return write_routed_headers(event, out);
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
  out.append('\0');
  return std::nullopt;
}

std::optional<MessageWriter::Refusal> MessageWriter::write_routed_headers(const Event& event, Slab& out) {
  for (const Header& header : event.extra->headers) {
    if (is_ours(header.name)) continue;
    if (!is_header_name(header.name))
      return Refusal{"routing",
                     "a processor has given it a header whose name is empty, or has a blank, a colon or a "
                     "control character"};
    const std::size_t name_at = out.size();
    out.append(header.name);
    out.append('\0');
    const std::size_t at = out.size();
    append_some(header.value, out);
    end_value(at, out);
    add(nullptr, name_at, header.name.size(), at, out);
  }
  return std::nullopt;
}

void MessageWriter::add(const char* name, std::size_t name_at, std::size_t name_size, std::size_t value_at, Slab& out) {
  headers_.push_back({name, name_at, value_at});
  headers_size_ += kHeaderFrame + name_size + (out.size() - value_at - 1);
}

std::string MessageWriter::subject_of(const Event& event) const { return subject_.name(event); }

}  // namespace deltaforge::sinks::nats
