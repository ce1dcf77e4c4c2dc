#include "contract_intake.h"

#include <cmath>
#include <memory>

#include <nlohmann/json.hpp>

#include "base/slab.h"
#include "base/utf8.h"
#include "core/encoder.h"
#include "encode/make_encoder.h"
#include "fuzz.h"

namespace deltaforge::fuzz {

void check_value(const Value& value, ContractIntake::Promises promises) {
  switch (value.kind()) {
    case Kind::null:
    case Kind::absent:
    case Kind::unchanged:
    case Kind::boolean:
    case Kind::int64:
    case Kind::uint64: return;
    case Kind::float32:
    case Kind::float64: return require(std::isfinite(value.as_real()), "a number is finite");
    case Kind::array:
      for (const Value& item : value.as_array()) check_value(item, promises);
      return;
    case Kind::bytes: return;
    case Kind::json:
      require(!promises.json || nlohmann::json::accept(value.as_text()), "a json value is JSON:", value.as_text());
      [[fallthrough]];
    default: require(!promises.utf8 || is_utf8(value.as_text()), "a text is UTF-8:", value.as_text());
  }
}

namespace {

bool holds_json(const Image& image) {
  for (const Value& value : image.values) {
    if (value.kind() == Kind::json) return true;
    if (value.kind() == Kind::array && holds_json({value.as_array(), true})) return true;
  }
  return false;
}

// What is kept over many inputs, since it is dear to make; not for ever, since it remembers every table.
struct Kept {
  Kept() {
    for (auto envelope :
         {encode::EnvelopeType::native, encode::EnvelopeType::debezium, encode::EnvelopeType::cloudevents})
      encoders.push_back(encode::make_encoder({envelope, "com.example"}, {}, "acme"));
  }
  schema::Registry registry;
  std::vector<std::unique_ptr<Encoder>> encoders;
};

std::unique_ptr<Kept> kept;
PageBudget budget{64 * 1024 * 1024};

}  // namespace

schema::Registry& registry_for_input() {
  static int inputs = 0;
  if (inputs++ % 1000 == 0) kept = std::make_unique<Kept>();
  return kept->registry;
}

ContractIntake::ContractIntake(Promises promises) : promises_(promises), batch_(budget, *this) {}

bool ContractIntake::room() {
  may_write_ = true;
  return true;
}

Event& ContractIntake::event() {
  require(may_write_, "event() only after room()");
  Event& event = batch_.add_event();
  event.total_order = batch_.size();
  return event;
}

Pages& ContractIntake::pages() {
  require(may_write_, "pages() only after room()");
  return batch_.pages();
}

void ContractIntake::check(const Event& event) {
  require(event.schema != nullptr && event.ordinal > 0, "an event has a table and a number");
  for (const std::uint32_t part : event.schema->key)
    require(part < event.schema->columns.size(), "a key is made of columns");
  for (const Image* image : {&event.before, &event.after}) {
    require(!image->present || image->values.size() == event.schema->columns.size(), "an image has all columns");
    for (const Value& value : image->values) check_value(value, promises_);
  }
  static Slab out;
  out.truncate(0);
  // Whichever: the envelopes differ little, and each renders every new table.
  Encoder& encoder = *kept->encoders[event.schema->full_name.size() % kept->encoders.size()];
  if (const std::string refused(encoder.encode(batch_, event, out)); !refused.empty()) return;
  require(out.view().find('\n') == std::string_view::npos, "an encoded event is one line");
  if (promises_.json || !(holds_json(event.before) || holds_json(event.after)))
    require(nlohmann::json::accept(out.view()), "an encoded event is JSON:", out.view());
}

void ContractIntake::commit(const Mark& mark, const TransactionInfo& info) {
  require(may_write_, "commit() only after room()");
  Commit commit;
  commit.mark = mark;
  commit.ts_us = info.ts_us;
  commit.id_hash = info.id_hash;
  commit.transaction_id = info.transaction_id;
  commit.last = batch_.size();
  batch_.commits().push_back(commit);
  for (std::uint32_t i = 0; i < batch_.size(); ++i)
    if (const Event& event = batch_.event(i); !event.dropped) check(event);
  batch_.clear();
  marks_.push_back(mark);
  may_write_ = false;
}

void ContractIntake::idle(const Mark& mark) {
  require(batch_.size() == 0, "idle() only between transactions");
  batch_.pages().clear();
  marks_.push_back(mark);
}

void ContractIntake::rollback() {
  batch_.clear();
  may_write_ = false;
}

}  // namespace deltaforge::fuzz
