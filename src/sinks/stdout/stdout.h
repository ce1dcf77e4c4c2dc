// Prints each change on standard output, one event a line: as JSON for programs, or readable for people.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "config/sink_fields.h"
#include "core/component.h"
#include "encode/delivery_feed.h"
#include "encode/format_config.h"
#include "encode/slab_lease.h"
#include "sinks/stdout/output.h"

namespace deltaforge::sinks::stdout {

enum class Format { json, pretty };

class StdoutSink final : public Sink {
 public:
  struct Config : config::HoldLimits {
    std::string id;
    bool required = true;
    Format format = Format::json;
    encode::EnvelopeConfig envelope;
    encode::EncodingConfig encoding;
    std::optional<config::SinkFilter> filter;

    static const config::Spec<Config>& spec();
  };

  StdoutSink(Config config, SinkContext context) : StdoutSink(config, std::move(context), Output::standard()) {}
  // `output` must outlive the sink.
  StdoutSink(const Config& config, SinkContext context, Output& output);
  ~StdoutSink() override;

  std::optional<Position> open() override { return std::nullopt; }
  void send(const Delivery& delivery, Receipt receipt) override;
  // Waits a moment for a slow reader, never for ever: the lane can be stopped in between.
  bool poll() override;

 private:
  struct Work {
    encode::DeliveryFeed feed;
    Receipt receipt;
  };
  bool fill();
  void fail(int error);

  SinkContext context_;
  Output& output_;
  std::unique_ptr<Encoder> encoder_;
  std::optional<Work> work_;
  std::optional<encode::SlabLease> slab_;  // what is being written
  std::size_t written_ = 0;                // of the slab
  bool has_turn_ = false;
  bool slow_ = false;  // the reader's slowness has been told
};

void add(Catalogue&);

}  // namespace deltaforge::sinks::stdout
