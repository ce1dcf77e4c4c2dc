// Writes events as JSON lines into numbered segment files, exactly once: a batch and its position become visible in
// one rename (segments.h). What a reader sees is complete and never changes.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/sink_fields.h"
#include "core/component.h"
#include "encode/delivery_feed.h"
#include "encode/format_config.h"
#include "sinks/file/segments.h"

namespace deltaforge::sinks::file {

class FileSink final : public Sink {
 public:
  struct Config : config::HoldLimits {
    std::string id;
    bool required = true;
    std::string path;
    config::ByteSize roll_bytes{0};
    config::Millis roll_ms{0};
    bool exactly_once = true;
    encode::EnvelopeConfig envelope;
    encode::EncodingConfig encoding;
    std::optional<config::SinkFilter> filter;

    static const config::Spec<Config>& spec();
  };

  FileSink(Config config, SinkContext context);

  std::optional<Position> open() override;
  std::optional<Position> plan(PlanReport& report) override;
  bool holds_position() const override { return true; }
  std::size_t window() const override { return rolls() ? 8 : 1; }
  void send(const Delivery& delivery, Receipt receipt) override;
  bool poll() override;

 private:
  struct Work {
    encode::DeliveryFeed feed;
    Receipt receipt;
  };
  bool rolls() const { return config_.roll_bytes.count > 0 || config_.roll_ms.count > 0; }
  bool may_join_next() const;
  bool write_slab(Work& work);
  void commit();

  Config config_;
  SinkContext context_;
  std::unique_ptr<Encoder> encoder_;
  std::optional<Segments> segments_;
  std::vector<Work> queue_;
  std::size_t written_ = 0;  // of the queue: whole deliveries that the open segment holds
  SteadyTime segment_opened_{};
};

void add(Catalogue&);

}  // namespace deltaforge::sinks::file
