#include "sinks/blackhole/blackhole.h"

#include "base/check.h"
#include "encode/make_encoder.h"
#include "encode/slab_lease.h"

namespace deltaforge::sinks::blackhole {

const config::Spec<Blackhole::Config>& Blackhole::Config::spec() {
  static const auto s = [] {
    config::Spec<Config> fields("blackhole", "Encodes change events and throws them away.");
    fields.field("id", &Config::id, "Name used for checkpoints and metrics.");
    fields.field("required", &Config::required, "Whether the pipeline's progress waits for this sink.");
    encode::add_format_fields(fields);
    return config::add_sink_fields(fields);
  }();
  return s;
}

Blackhole::Blackhole(Config config, SinkContext context)
    : context_(std::move(context)), encoder_(encode::make_encoder(config.envelope, config.encoding, context_.tenant)) {}

void Blackhole::send(const Delivery& delivery, Receipt receipt) {
  DF_CHECK(!work_, "one delivery at a time");
  work_.emplace(Work{encode::DeliveryFeed(delivery), std::move(receipt)});
}

bool Blackhole::poll() {
  if (!work_) return false;
  encode::SlabLease slab(*context_.slabs);
  if (!slab) return false;
  work_->feed.fill(*encoder_, *slab);
  context_.count_bytes(slab->size());
  if (!work_->feed.done()) return true;
  Work done = std::move(*work_);
  work_.reset();
  done.feed.answer(std::move(done.receipt));
  return false;
}

void add(Catalogue& catalogue) { catalogue.sinks.add<Blackhole>("blackhole"); }

}  // namespace deltaforge::sinks::blackhole
