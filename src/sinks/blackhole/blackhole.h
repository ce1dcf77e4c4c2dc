// A sink that encodes every event and throws the bytes away: for measuring, and for trying a source out.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "config/sink_fields.h"
#include "core/component.h"
#include "encode/delivery_feed.h"
#include "encode/format_config.h"

namespace deltaforge::sinks::blackhole {

class Blackhole final : public Sink {
 public:
  struct Config : config::HoldLimits {
    std::string id;
    bool required = true;
    encode::EnvelopeConfig envelope;
    encode::EncodingConfig encoding;
    std::optional<config::SinkFilter> filter;

    static const config::Spec<Config>& spec();
  };

  Blackhole(Config config, SinkContext context);

  std::optional<Position> open() override { return std::nullopt; }
  void send(const Delivery& delivery, Receipt receipt) override;
  bool poll() override;

 private:
  struct Work {
    encode::DeliveryFeed feed;
    Receipt receipt;
  };

  SinkContext context_;
  std::unique_ptr<Encoder> encoder_;
  std::optional<Work> work_;
};

void add(Catalogue&);

}  // namespace deltaforge::sinks::blackhole
