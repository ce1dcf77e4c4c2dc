// The CloudEvents 1.0 envelope, structured mode:
//
//   {"specversion":"1.0","id":<event id>,"source":"deltaforge/<source name>/<table's full name>",
//    "type":"<prefix>.created|updated|deleted|snapshot|truncated","time":<commit time, RFC 3339, ms>,
//    "datacontenttype":"application/json","subject":<table's full name>,"data":{"before":..,"after":..,"op":..}}
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/encoder.h"
#include "encode/native_json.h"

namespace deltaforge::encode {

// One per lane; not thread-safe.
class CloudEvents final : public Encoder {
 public:
  explicit CloudEvents(std::string_view type_prefix);

  std::string_view encode(const Batch&, const Event&, Slab& out) override;
  std::string_view content_type() const override { return "application/cloudevents+json"; }

 private:
  // What never changes about the events of one table, rendered once.
  struct Table {
    std::string source;   // "source":"...","type":"
    std::string subject;  // ,"datacontenttype":"application/json","subject":"...","data":{"before":
  };
  const Table& table(const TableSchema&);
  std::string_view time(std::int64_t ts_us);

  std::string prefix_;  // as JSON text, without quotes
  NativeJson images_;
  std::unordered_map<std::uint64_t, Table> tables_;  // by schema id; nodes stay where they are
  std::int64_t last_ms_ = INT64_MIN;
  std::string time_;
};

}  // namespace deltaforge::encode
