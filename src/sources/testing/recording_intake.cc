#include "sources/testing/recording_intake.h"

#include <charconv>

#include "base/check.h"

namespace deltaforge::sources::testing {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

template <class Number>
std::string number(Number value) {
  char text[40];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

std::string hex(std::string_view bytes) {
  std::string out;
  for (char c : bytes)
    for (int shift : {4, 0}) out += "0123456789abcdef"[static_cast<unsigned char>(c) >> shift & 15];
  return out;
}

}  // namespace

std::string render(const Value& value) {
  switch (value.kind()) {
    case Kind::null: return "null";
    case Kind::absent: return "absent";
    case Kind::unchanged: return "unchanged";
    case Kind::boolean: return value.as_bool() ? "true" : "false";
    case Kind::int64: return number(value.as_int64());
    case Kind::uint64: return number(value.as_uint64());
    case Kind::float32: return number(static_cast<float>(value.as_real()));
    case Kind::float64: return number(value.as_real());
    case Kind::decimal: return "decimal " + std::string(value.as_text());
    case Kind::text: return quoted(value.as_text());
    case Kind::bytes: return "x" + hex(value.as_text());
    case Kind::json: return "json " + std::string(value.as_text());
    case Kind::date: return "date " + std::string(value.as_text());
    case Kind::time: return "time " + std::string(value.as_text());
    case Kind::datetime: return "datetime " + std::string(value.as_text());
    case Kind::timestamp: return "timestamp " + std::string(value.as_text());
    case Kind::array: {
      std::string out = "[";
      for (const Value& item : value.as_array()) out += (out.size() > 1 ? "," : "") + render(item);
      return out + "]";
    }
  }
  return "?";
}

std::string render(const Image& image, const TableSchema& schema) {
  if (!image.present) return "-";
  std::string out = "{";
  for (std::size_t i = 0; i < image.values.size(); ++i)
    if (image.values[i].kind() != Kind::absent)
      out += (out.size() > 1 ? "," : "") + schema.columns[i].name + "=" + render(image.values[i]);
  return out + "}";
}

std::string render(const Event& event) {
  return std::string(1, static_cast<char>(event.op)) + " " + event.schema->full_name + "#" +
         std::to_string(event.ordinal) + " before=" + render(event.before, *event.schema) +
         " after=" + render(event.after, *event.schema);
}

RecordingIntake::RecordingIntake() : batch_(budget_, *this) {}

bool RecordingIntake::room() {
  wake_.clear();
  return has_room_;
}

Event& RecordingIntake::event() {
  in_transaction_ = true;
  return batch_.add_event();
}

Pages& RecordingIntake::pages() { return batch_.pages(); }

void RecordingIntake::commit(const Mark& mark, const TransactionInfo& info) {
  Recorded transaction{mark, info.ts_us, info.id_hash, std::string(info.transaction_id), false, {}, {}};
  for (std::uint32_t i = 0; i < batch_.size(); ++i) {
    const Event& event = batch_.event(i);
    if (on_event) on_event(event);
    transaction.events.push_back(render(event));
    if (i == 0) transaction.locus = event.locus;
  }
  batch_.clear();
  in_transaction_ = false;
  std::lock_guard lock(mutex_);
  recorded_.push_back(std::move(transaction));
  changed_.notify_all();
}

void RecordingIntake::idle(const Mark& mark) {
  DF_CHECK(!in_transaction_, "idle() inside a transaction");
  std::lock_guard lock(mutex_);
  recorded_.push_back({mark, 0, {}, "", true, {}, {}});
  changed_.notify_all();
}

void RecordingIntake::rollback() {
  batch_.clear();
  in_transaction_ = false;
}

void RecordingIntake::set_room(bool room) {
  has_room_ = room;
  wake_.signal();
}

std::vector<Recorded> RecordingIntake::all() const {
  std::lock_guard lock(mutex_);
  return recorded_;
}

std::vector<Recorded> RecordingIntake::transactions() const {
  std::vector<Recorded> transactions;
  for (Recorded& record : all())
    if (!record.idle) transactions.push_back(std::move(record));
  return transactions;
}

std::vector<std::string> RecordingIntake::events() const {
  std::vector<std::string> events;
  for (const Recorded& record : all()) events.insert(events.end(), record.events.begin(), record.events.end());
  return events;
}

bool RecordingIntake::wait_for(const std::function<bool(const std::vector<Recorded>&)>& seen,
                               std::chrono::milliseconds time) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, time, [&] { return seen(recorded_); });
}

}  // namespace deltaforge::sources::testing
