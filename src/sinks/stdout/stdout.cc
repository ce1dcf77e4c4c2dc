#include "sinks/stdout/stdout.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "encode/make_encoder.h"
#include "sinks/stdout/pretty.h"

namespace deltaforge::sinks::stdout {
namespace {
constexpr std::chrono::milliseconds kWait{50};
}

const config::Spec<StdoutSink::Config>& StdoutSink::Config::spec() {
  static const auto s = [] {
    config::Spec<Config> fields("stdout", "Prints change events on standard output, one a line.");
    fields.field("id", &Config::id, "Name used for checkpoints and metrics.");
    fields.field("required", &Config::required, "Whether the pipeline's progress waits for this sink.");
    fields.choice("format", &Config::format, "`json`: each line is an event; `pretty`: readable for people.",
                  {{"json", Format::json}, {"pretty", Format::pretty}});
    encode::add_format_fields(fields);
    return config::add_sink_fields(fields);
  }();
  return s;
}

StdoutSink::StdoutSink(const Config& config, SinkContext context, Output& output)
    : context_(std::move(context)), output_(output) {
  if (config.format == Format::pretty)
    encoder_ = std::make_unique<PrettyEncoder>(output_.is_terminal());
  else
    encoder_ = encode::make_encoder(config.envelope, config.encoding, context_.tenant);
}

StdoutSink::~StdoutSink() {
  if (has_turn_) output_.end_turn();
}

void StdoutSink::send(const Delivery& delivery, Receipt receipt) {
  DF_CHECK(!work_, "one delivery at a time");
  work_.emplace(Work{encode::DeliveryFeed(delivery), std::move(receipt)});
}

// The next slab of the delivery. False: there is none to be had.
bool StdoutSink::fill() {
  slab_.emplace(*context_.slabs);
  if (!*slab_) {
    slab_.reset();
    return false;
  }
  work_->feed.fill(*encoder_, **slab_);
  written_ = 0;
  context_.count_bytes((*slab_)->size());
  return true;
}

bool StdoutSink::poll() {
  if (!work_) return false;
  if (!slab_ && !fill()) return false;
  if (const std::size_t size = (*slab_)->size(); written_ < size) {
    if (!has_turn_) has_turn_ = output_.take_turn(kWait);
    if (!has_turn_) return true;
    const Output::Written now = output_.write((*slab_)->view(written_, size - written_), kWait);
    written_ += now.bytes;
    if (now.error != 0) {
      fail(now.error);
      return false;
    }
    if (now.bytes == 0 && !slow_) context_.trouble("the reader of standard output does not take what is written");
    slow_ = now.bytes == 0;
    if (written_ < size) return true;
    output_.end_turn();
    has_turn_ = false;
  }
  slab_.reset();
  if (!work_->feed.done()) return true;
  Work done = std::move(*work_);
  work_.reset();
  done.feed.answer(std::move(done.receipt));
  return false;
}

void StdoutSink::fail(int error) {
  Work failed = std::move(*work_);
  work_.reset();
  slab_.reset();
  std::string message = "writing events to standard output: ";
  if (error == EPIPE || error == EBADF) {
    message += error == EPIPE ? "its reader is gone" : "it is closed";
    std::move(failed.receipt)
        .failed(Fault::stop(ErrorKind::config, std::move(message),
                            "start deltaforge again with a reader, or use a sink of type file"));
  } else {
    message += std::strerror(error);
    std::move(failed.receipt)
        .failed(Fault::retry(std::move(message), "make room where standard output is redirected to"));
  }
}

void add(Catalogue& catalogue) { catalogue.sinks.add<StdoutSink>("stdout"); }

}  // namespace deltaforge::sinks::stdout
