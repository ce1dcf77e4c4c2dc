#include "encode/key_writer.h"

#include <utility>

#include "encode/key.h"
#include "obs/log.h"

namespace deltaforge::encode {

KeyWriter::KeyWriter(const std::optional<config::Template>& text, const SinkContext& context, std::string sink)
    : pipeline_(context.pipeline), sink_(std::move(sink)) {
  if (text) template_.emplace(*text, context.tenant);
}

std::string_view KeyWriter::append(const Event& event, Slab& out) {
  if (event.extra != nullptr && event.extra->key) [[unlikely]] {
    if (!event.extra->key->empty()) out.append(*event.extra->key);
    return {};
  }
  if (template_) {
    const std::string_view missing = template_->append(event, out);
    if (missing.empty()) return {};
    if (!std::exchange(told_, true)) tell(missing);
  }
  return append_key(event, out);
}

void KeyWriter::tell(std::string_view missing) {
  obs::log_limited(obs::Level::warn, sink_, "an event has no value for `key`: the row's primary key stands for it",
                   {{"pipeline", pipeline_}, {"sink", sink_}, {"variable", missing}});
}

}  // namespace deltaforge::encode
