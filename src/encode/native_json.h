// The native event as JSON (docs/formats/native-event.md): the one body that every JSON envelope is made of.
//
//   {"before":..,"after":..,"source":{"version","connector","name","ts_ms","db","schema","table", locus..},"op",
//    "ts_ms","transaction":{"id","total_order"},"event_id","id","tenant_id","tags","synthetic","tx_end", extensions..}
//
// `before` and `after` are always there; `schema`, `transaction` and what follows `id` are left out when they say
// nothing. Times are the commit time in milliseconds.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/batch.h"
#include "core/event_id.h"
#include "encode/json_writer.h"

namespace deltaforge::encode {

// What never changes about the rows of one table, rendered once.
struct TableText {
  explicit TableText(const TableSchema&);

  std::uint64_t id;
  std::string source;    // ,"source":{"version":..,"connector":..,"name":..,"ts_ms":
  std::string place;     // ,"db":..,"schema":..,"table":..
  std::string unusable;  // why no event of it can be encoded; empty: none

  std::size_t columns() const { return ends_.size(); }
  // ,"column": with padding behind it
  std::string_view name(std::size_t column) const {
    std::size_t from = column == 0 ? 0 : ends_[column - 1];
    return {names_.data() + from, ends_[column] - from};
  }

 private:
  std::string names_;
  std::vector<std::size_t> ends_;
};

// One per encoder; not thread-safe.
class NativeJson {
 public:
  explicit NativeJson(std::string_view tenant);

  // Writes the event. Returns why it cannot be, naming the column, or ""; valid until the next call.
  std::string_view write(const Batch&, const Event&, JsonWriter&);

  // The body of an event with `raw_payload`: its `after` alone.
  std::string_view write_payload(const Event&, JsonWriter&);

  const TableText& table(const TableSchema&);
  // {"id":1,..} or null. False: problem() says why.
  bool image(const TableText&, const TableSchema&, const Image&, JsonWriter&);
  // The same of an event's, whatever a processor made of it.
  bool before(const TableText&, const Event&, JsonWriter&);
  bool after(const TableText&, const Event&, JsonWriter&);
  std::string_view problem() const { return problem_; }

 private:
  bool share(const TableText&, const Commit&);
  void envelope(const Commit&, const Event&, JsonWriter&);
  bool end_with(const Extra&, bool tx_end, JsonWriter&);

  std::string open_end_;                                 // ","tenant_id":".."
  std::string end_, last_end_;                           // the same and } without and with "tx_end"
  std::unordered_map<std::uint64_t, TableText> tables_;  // by schema id; nodes stay where they are
  const TableText* last_ = nullptr;
  // What the events of one commit share, rendered when it changes.
  std::int64_t ms_ = 0;
  std::string ms_text_;
  std::string transaction_;  // its id
  std::string place_;        // ","ts_ms":..,"transaction":{"id":"731","total_order":
  const TableText* source_of_ = nullptr;
  std::string source_;  // ,"source":{..,"table":".."
  Slab scratch_;
  std::string problem_;
};

}  // namespace deltaforge::encode
