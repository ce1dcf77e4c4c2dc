// Makes of a row of an outbox, or of a message in PostgreSQL's log, the event that the application meant: its payload,
// its topic, key and headers. Other events pass untouched.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/json_text.h"
#include "core/component.h"
#include "encode/template_text.h"
#include "obs/metrics.h"
#include "processors/outbox/config.h"
#include "schema/registry.h"

namespace deltaforge::processors::outbox {

class Outbox final : public Processor {
 public:
  using Config = outbox::Config;

  Outbox(Config, const ProcessorContext&);

  // In strict mode an event that lacks something fails, and what is said of it names all of it; with `on_error: fail`
  // that throws Error{undecodable}.
  void process(Batch&) override;

 private:
  struct HeaderField {
    std::string name;
    encode::FieldPath path;
  };
  // What becomes of the events of a table.
  struct Table {
    bool mine = false;
    const TableSchema* published = nullptr;  // as others see it from here on
  };

  const Table& table_of(const TableSchema&);
  enum class Reason { non_insert, null_payload, non_object, strict_missing_fields };
  // Why the event is no message of the application's; nothing: it is one.
  std::optional<Reason> refused(const Event&) const;
  // False: it fails.
  bool transform(const Batch&, Event&, const Table&, Pages&);
  std::optional<std::string_view> text_of(const encode::TemplateText&, const Event&, Pages&);
  std::optional<std::string_view> text_of(const encode::FieldPath&, const Event&, Pages&);
  std::optional<std::string_view> topic_of(const Event&, Pages&);
  std::optional<std::string_view> key_of(const Event&, Pages&);
  std::span<const Header> headers_of(const Batch&, const Event&, Pages&);
  // Nothing: the event has none, or it cannot be encoded.
  std::optional<std::string_view> payload_of(const Event&, Pages&);
  void drop(Batch&, std::uint32_t index, Reason);
  // What it lacks; empty: nothing.
  std::string missing(const Event&, const Extra&, bool payload);
  void fail(Batch&, std::uint32_t index, const std::string& why);

  const Config config_;
  const std::string pipeline_;
  const encode::FieldPath payload_, topic_column_, aggregate_id_;
  std::optional<encode::TemplateText> topic_, default_topic_, key_;
  std::vector<HeaderField> headers_;
  std::vector<std::pair<std::string_view, encode::FieldPath>> needed_;  // in strict mode
  std::unordered_map<std::uint64_t, Table> tables_;                     // by schema id
  const TableSchema* last_ = nullptr;
  const Table* last_table_ = nullptr;
  schema::Registry published_;
  JsonText json_;
  Slab out_;
  std::vector<Header> found_;  // headers of one event
  obs::Counter transformed_;
  std::vector<obs::Counter> dropped_;  // by Reason
  std::string failure_;                // of the event at hand
  const decltype(ProcessorContext::set_aside) set_aside_;
};

void add(Catalogue&);

}  // namespace deltaforge::processors::outbox
