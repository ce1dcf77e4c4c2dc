// Makes the requests: from events to URL, headers and body. The same event gives the same bytes on every attempt, but
// for the time and signature of signed requests. Lane thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/slab.h"
#include "core/encoder.h"
#include "core/sink.h"
#include "encode/key_writer.h"
#include "sinks/http/config.h"
#include "sinks/http/exchange.h"
#include "sinks/http/signer.h"
#include "sinks/http/unit.h"
#include "sinks/http/url.h"

namespace deltaforge::sinks::http {

class RequestWriter {
 public:
  static constexpr std::size_t kLargestArray = 1024 * 1024;  // an event that is larger goes alone

  RequestWriter(const Config&, const SinkContext&);

  // The request of the unit's next events, as many as it may send at once and an array may hold; `sent` says how many.
  // Why the first of them cannot be sent, else.
  std::optional<Refusal> write(Unit&, Exchange&);

  // The key that keeps the order, as a hash. Where there is none, write() says why.
  std::uint64_t key_of(const Event&);
  // Of an update that gives its row another key: the one before. Else the same as key_of().
  std::uint64_t old_key_of(const Event&);
  // In batch_mode events with the same text may go into one array: the URL, and the headers of processors.
  // Empty: the event has no URL.
  const std::string& group_of(const Event&);
  // The part of that text which is the URL.
  static std::string_view url_of(std::string_view group) { return group.substr(0, group.find('\n')); }

 private:
  std::optional<Refusal> write_one(const Batch&, std::uint32_t event, Exchange&);
  std::optional<Refusal> write_array(Unit&, Exchange&);
  std::optional<Refusal> add_routed(const Event&, HeaderBlock&, bool& has_id);
  std::string_view content_type(const Event&) const;
  void add_configured(HeaderBlock&, std::string_view content_type);
  void sign(Exchange&);
  bool is_reserved(std::string_view name) const;

  const Config& config_;
  const std::string tenant_;
  const std::unique_ptr<Encoder> encoder_;
  encode::KeyWriter key_;
  UrlWriter url_;
  std::optional<Signer> signer_;
  bool has_content_type_ = false;  // among the configured headers
  std::string group_;
  Slab body_, text_;
};

}  // namespace deltaforge::sinks::http
