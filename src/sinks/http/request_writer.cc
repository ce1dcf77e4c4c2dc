#include "sinks/http/request_writer.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "core/event_id.h"
#include "encode/idempotency_key.h"
#include "encode/make_encoder.h"

namespace deltaforge::sinks::http {
namespace {

constexpr std::string_view kEventId = "df-event-id";

bool is_id(std::string_view name) { return equal_ignoring_case(name, kEventId); }

}  // namespace

RequestWriter::RequestWriter(const Config& config, const SinkContext& context)
    : config_(config),
      tenant_(context.tenant),
      encoder_(encode::make_encoder(config.envelope, config.encoding, context.tenant)),
      key_(config.key, context, config.id),
      url_(config.url.text, context.tenant) {
  if (config.signature) signer_.emplace(config.signature->secret);
  for (const auto& [name, value] : config.headers)
    has_content_type_ = has_content_type_ || equal_ignoring_case(name, "content-type");
}

std::optional<Refusal> RequestWriter::write(Unit& unit, Exchange& to) {
  to.headers.clear();
  body_.clear();
  const Event& first = unit.parcel->batch->event(unit.events[unit.done]);
  if (std::string problem = url_.write(first, to.url); !problem.empty()) return Refusal{"routing", std::move(problem)};
  to.public_only = config_.guards_addresses() && !names_host(config_.allow_hosts, host_of(to.url));
  auto refusal =
      config_.batch_mode ? write_array(unit, to) : write_one(*unit.parcel->batch, unit.events[unit.done], to);
  if (refusal) return refusal;
  if (!config_.batch_mode) unit.sent = 1;
  if (to.headers.size() > HeaderBlock::kLargest)
    return Refusal{"too_large", fmt::format("its headers have {} bytes, and {} are the most: set a shorter `key`",
                                            to.headers.size(), HeaderBlock::kLargest)};
  to.body.assign(body_.view());
  if (signer_) sign(to);
  return std::nullopt;
}

std::optional<Refusal> RequestWriter::write_one(const Batch& batch, std::uint32_t index, Exchange& to) {
  const Event& event = batch.event(index);
  const Commit& commit = batch.commits()[event.commit];
  text_.clear();
  if (const std::string_view reason = key_.append(event, text_); !reason.empty())
    return Refusal{"serialization", std::string(reason)};
  if (const std::string_view reason = encoder_->encode(batch, event, body_); !reason.empty())
    return Refusal{"serialization", std::string(reason)};
  add_configured(to.headers, content_type(event));
  to.headers.add("df-key", text_.view());
  text_.clear();
  encode::append_idempotency_key(tenant_, commit, event, text_);
  to.headers.add("Idempotency-Key", text_.view());
  bool has_id = false;
  if (auto refusal = add_routed(event, to.headers, has_id)) return refusal;
  if (!has_id) {
    std::array<char, 36> id;
    print_event_id(event_id(commit, event), id.data());
    to.headers.add(kEventId, {id.data(), id.size()});
  }
  return std::nullopt;
}

std::optional<Refusal> RequestWriter::write_array(Unit& unit, Exchange& to) {
  const Batch& batch = *unit.parcel->batch;
  text_.clear();  // the ids
  body_.append('[');
  const std::size_t most = std::min(unit.at_once, unit.events.size() - unit.done);
  for (unit.sent = 0; unit.sent < most; ++unit.sent) {
    const Event& event = batch.event(unit.events[unit.done + unit.sent]);
    const std::size_t before = body_.size();
    if (unit.sent > 0) body_.append(',');
    const std::string_view reason = encoder_->encode(batch, event, body_);
    if (!reason.empty() && unit.sent == 0) return Refusal{"serialization", std::string(reason)};
    if (!reason.empty() || (unit.sent > 0 && body_.size() > kLargestArray)) {
      body_.truncate(before);
      break;
    }
    print_event_id(event_id(batch.commits()[event.commit], event), text_.room(36));
    text_.add(36);
  }
  body_.append(']');
  const Event& first = batch.event(unit.events[unit.done]);
  add_configured(to.headers, content_type(first) == "application/cloudevents+json"
                                 ? std::string_view("application/cloudevents-batch+json")
                                 : std::string_view("application/json"));
  // Of all ids, in order: only arrays with the same events have the same key.
  std::string key = fmt::format("{}|batch|{}|", tenant_.empty() ? std::string_view("_") : tenant_, unit.sent);
  for (const std::byte byte : xxh3_128(as_bytes(text_.view())))
    key.append(&kHexPairs[std::size_t{2} * std::to_integer<std::size_t>(byte)], 2);
  to.headers.add("Idempotency-Key", key);
  bool has_id = false;
  return add_routed(first, to.headers, has_id);
}

void RequestWriter::add_configured(HeaderBlock& headers, std::string_view content_type) {
  headers.leave_out("Expect");  // a wait for "100 Continue"
  if (!has_content_type_) headers.add("Content-Type", content_type);
  for (const auto& [name, value] : config_.headers) headers.add(name, value.reveal());
}

// What processors put onto the event. It never replaces what the configuration or the sink says, but for the id that an
// outbox gives.
std::optional<Refusal> RequestWriter::add_routed(const Event& event, HeaderBlock& headers, bool& has_id) {
  if (event.extra == nullptr) return std::nullopt;
  for (const Header& each : event.extra->headers) {
    if (!is_header_name(each.name))
      return Refusal{"routing", "a processor gave it a header whose name is none: use letters, digits and '-'"};
    if (is_id(each.name)) {
      if (!config_.batch_mode && !std::exchange(has_id, true)) headers.add(kEventId, each.value);
    } else if (!is_reserved(each.name)) {
      headers.add(each.name, each.value);
    }
  }
  return std::nullopt;
}

bool RequestWriter::is_reserved(std::string_view name) const {
  if (frames_the_message(name) || is_of_the_sink(name)) return true;
  if (equal_ignoring_case(name, "content-type") || equal_ignoring_case(name, "host")) return true;
  if (config_.signature && equal_ignoring_case(name, config_.signature->header)) return true;
  return std::any_of(config_.headers.begin(), config_.headers.end(),
                     [&](const auto& each) { return equal_ignoring_case(each.first, name); });
}

std::string_view RequestWriter::content_type(const Event& event) const {
  if (event.extra != nullptr && event.extra->raw_payload) return "application/json";
  return encoder_->content_type();
}

void RequestWriter::sign(Exchange& to) {
  const std::string time = std::to_string(Clock::system().wall_us() / 1'000'000);
  to.headers.add("df-timestamp", time);
  to.headers.add(config_.signature->header, signer_->sign(time, to.body));
}

std::uint64_t RequestWriter::key_of(const Event& event) {
  text_.clear();
  if (!key_.append(event, text_).empty()) text_.append(event.schema->full_name);
  return xxh3_64(as_bytes(text_.view()));
}

std::uint64_t RequestWriter::old_key_of(const Event& event) {
  const bool other_may_be =
      event.op == Op::update && event.before.present && !config_.key && (event.extra == nullptr || !event.extra->key);
  if (!other_may_be) return key_of(event);
  Event gone = event;
  gone.op = Op::remove;
  return key_of(gone);
}

const std::string& RequestWriter::group_of(const Event& event) {
  if (!url_.write(event, group_).empty()) {
    group_.clear();
    return group_;
  }
  if (event.extra == nullptr) return group_;
  if (event.extra->raw_payload) group_ += "\nraw";
  for (const Header& each : event.extra->headers) {
    if (is_id(each.name) || is_reserved(each.name)) continue;
    group_ += '\n';
    group_ += each.name;
    group_ += ':';
    group_ += each.value;
  }
  return group_;
}

}  // namespace deltaforge::sinks::http
