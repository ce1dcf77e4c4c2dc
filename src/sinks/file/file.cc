#include "sinks/file/file.h"

#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "core/plan.h"
#include "encode/make_encoder.h"
#include "encode/slab_lease.h"

namespace deltaforge::sinks::file {

const config::Spec<FileSink::Config>& FileSink::Config::spec() {
  static const auto s = [] {
    config::Spec<Config> fields("file", "Writes change events as JSON lines into segment files, exactly once.");
    fields.field("id", &Config::id, "Name used for checkpoints and metrics.");
    fields.field("required", &Config::required, "Whether the pipeline's progress waits for this sink.");
    fields.field("path", &Config::path, "Directory of this sink alone; made when it is missing.",
                 {.required = true, .min = 1});
    fields.field("roll_bytes", &Config::roll_bytes,
                 "Batches that are waiting join a segment until it has this size. 0: one batch, one segment.");
    fields.field("roll_ms", &Config::roll_ms, "The same by age. No batch ever waits for others to join.", {.min = 0});
    fields.field("exactly_once", &Config::exactly_once, "This sink always is; the field is accepted.");
    encode::add_format_fields(fields);
    return config::add_sink_fields(fields);
  }();
  return s;
}

FileSink::FileSink(Config config, SinkContext context)
    : config_(std::move(config)),
      context_(std::move(context)),
      encoder_(encode::make_encoder(config_.envelope, config_.encoding, context_.tenant)) {}

std::optional<Position> FileSink::open() {
  segments_.emplace(config_.path);
  std::optional<std::string> record = segments_->position();
  if (!record) return std::nullopt;
  return context_.positions->parse(*record, segments_->position_path());
}

std::optional<Position> FileSink::plan(PlanReport& report) {
  const FoundSegments found = look_at_segments(config_.path);
  if (!found.exists) {
    report.step("makes the directory " + config_.path);
    return std::nullopt;
  }
  report.fact(fmt::format("{} can be written to and holds {} segments", config_.path, found.count));
  if (found.holder)
    report.problem(fmt::format("process {} writes into {}", *found.holder, config_.path),
                   "stop that one, or give this sink a `path` of its own");
  if (!found.position) return std::nullopt;
  return context_.positions->parse(*found.position, found.position_path);
}

void FileSink::send(const Delivery& delivery, Receipt receipt) {
  DF_CHECK(queue_.size() < window(), "no more deliveries than the window");
  queue_.push_back({encode::DeliveryFeed(delivery), std::move(receipt)});
}

bool FileSink::poll() {
  if (queue_.empty() || !segments_) return false;
  try {
    Work& work = queue_[written_];
    if (!write_slab(work)) return false;
    if (!work.feed.done()) return true;
    ++written_;
    if (may_join_next()) return true;
    commit();
  } catch (const Error& e) {
    // The open segment may be anything: no more is written until a new sink has recovered.
    segments_.reset();
    std::vector<Work> failed = std::exchange(queue_, {});
    for (Work& work : failed) std::move(work.receipt).failed(Fault::retry(e.message(), e.hint()));
  }
  return !queue_.empty();
}

// False: no slab is free, or a row is refused: the position must not pass it, so nothing of the open segment is
// committed, and this sink writes nothing more.
bool FileSink::write_slab(Work& work) {
  encode::SlabLease slab(*context_.slabs);
  if (!slab) return false;
  work.feed.fill(*encoder_, *slab);
  if (const auto& refused = work.feed.refused()) {
    segments_.reset();
    std::move(work.receipt).refused_for(*refused);
    return false;
  }
  if (slab->size() == 0) return true;
  if (!segments_->is_open()) segment_opened_ = std::chrono::steady_clock::now();
  segments_->write(slab->view());
  context_.count_bytes(slab->size());
  return true;
}

// Never waits: what is not queued yet does not join.
bool FileSink::may_join_next() const {
  if (!rolls() || written_ == queue_.size()) return false;
  const auto age = std::chrono::steady_clock::now() - segment_opened_;
  const bool full = config_.roll_bytes.count > 0 && segments_->size() >= config_.roll_bytes.count;
  const bool old = config_.roll_ms.count > 0 && segments_->is_open() && age >= config_.roll_ms.duration();
  return !full && !old;
}

void FileSink::commit() {
  const std::string position = context_.positions->print(queue_[written_ - 1].feed.delivery().after);
  if (segments_->is_open())
    segments_->commit(position);
  else
    segments_->advance(position);
  for (std::size_t i = 0; i < written_; ++i) std::move(queue_[i].receipt).delivered();
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(written_));
  written_ = 0;
}

void add(Catalogue& catalogue) { catalogue.sinks.add<FileSink>("file"); }

}  // namespace deltaforge::sinks::file
