#include "pipeline/kept_event.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/base64.h"
#include "base/error.h"
#include "base/utf8.h"

namespace deltaforge::pipeline {
namespace {

using Json = nlohmann::json;

// By Kind.
constexpr std::string_view kCodes = "n-~biufd#sxjDtTza";
static_assert(kCodes.size() == static_cast<std::size_t>(Kind::array) + 1);

Json print_text(std::string_view text) {
  if (is_utf8(text)) return text;
  std::string base64(base64_size(text.size()), '\0');
  print_base64(text, base64.data());
  return {{"base64", base64}};
}

Json print_value(const Value& value) {
  const std::string code(1, kCodes[static_cast<std::size_t>(value.kind())]);
  switch (value.kind()) {
    case Kind::null: return nullptr;
    case Kind::absent:
    case Kind::unchanged: return Json::array({code});
    case Kind::boolean: return Json::array({code, value.as_bool()});
    case Kind::int64: return Json::array({code, value.as_int64()});
    case Kind::uint64: return Json::array({code, value.as_uint64()});
    case Kind::float32:
    case Kind::float64: return Json::array({code, value.as_real()});
    case Kind::array: {
      Json items = Json::array();
      for (const Value& item : value.as_array()) items.push_back(print_value(item));
      return Json::array({code, std::move(items)});
    }
    default: return Json::array({code, print_text(value.as_text())});
  }
}

// `shown`: what the image shows instead, if anything. Then the values are needed for the key alone, and the others may
// be what a processor has taken out.
Json print_image(const Image& image, const TableSchema& schema, std::string_view shown) {
  if (!image.present) return nullptr;
  Json values = Json::array();
  for (std::uint32_t i = 0; i < image.values.size(); ++i) {
    const bool needed = shown.empty() || std::ranges::find(schema.key, i) != schema.key.end();
    values.push_back(print_value(needed ? image.values[i] : Value::absent()));
  }
  return values;
}

Json print_schema(const TableSchema& schema) {
  Json columns = Json::array();
  for (const Column& column : schema.columns) columns.push_back({column.name, column.type});
  return {{"connector", schema.connector}, {"source", schema.source_id}, {"database", schema.database},
          {"schema", schema.schema},       {"table", schema.table},      {"full_name", schema.full_name},
          {"columns", std::move(columns)}, {"key", schema.key}};
}

Json print_extra(const Extra& extra) {
  Json json{{"before", print_text(extra.before)},
            {"after", print_text(extra.after)},
            {"raw_payload", extra.raw_payload},
            {"tags", Json::array()},
            {"synthetic", print_text(extra.synthetic)},
            {"members", print_text(extra.members)},
            {"headers", Json::array()}};
  for (std::string_view tag : extra.tags) json["tags"].push_back(print_text(tag));
  for (const Header& header : extra.headers)
    json["headers"].push_back({print_text(header.name), print_text(header.value)});
  if (extra.topic) json["topic"] = print_text(*extra.topic);
  if (extra.key) json["key"] = print_text(*extra.key);
  return json;
}

// Copies what a kept event says into the pages of a batch. A Json::exception or an Error says that it is none.
class Reader {
 public:
  Reader(schema::Registry& schemas, Batch& batch) : schemas_(schemas), batch_(batch) {}

  void read(const Json& json) {
    if (json.at("v") != 1) fail();
    const Json& from = json.at("event");
    Event event;
    event.schema = schema(json.at("schema"));
    event.op = static_cast<Op>(from.at("op").get<std::string>().at(0));
    if (std::string_view("curdt").find(static_cast<char>(event.op)) == std::string_view::npos) fail();
    event.ordinal = from.at("ordinal");
    event.total_order = from.at("order");
    event.fan_out = from.at("fan_out");
    event.tx_end = from.at("tx_end");
    event.locus = text(from.at("locus"));
    event.before = image(from.at("before"), event.schema->columns.size());
    event.after = image(from.at("after"), event.schema->columns.size());
    if (const auto extra = json.find("extra"); extra != json.end()) event.extra = read_extra(*extra);
    event.commit = commit(json.at("commit"));
    batch_.add_event() = event;
  }

 private:
  [[noreturn]] static void fail() { throw Error(ErrorKind::storage, "a kept event in the store is damaged"); }

  std::string_view text(const Json& json) {
    if (json.is_string()) return batch_.pages().copy(json.get_ref<const std::string&>());
    auto bytes = read_base64(json.at("base64").get_ref<const std::string&>());
    if (!bytes) fail();
    return batch_.pages().copy(*bytes);
  }

  const TableSchema* schema(const Json& json) {
    TableSchema schema;
    schema.connector = json.at("connector");
    schema.source_id = json.at("source");
    schema.database = json.at("database");
    schema.schema = json.at("schema");
    schema.table = json.at("table");
    schema.full_name = json.at("full_name");
    for (const Json& column : json.at("columns")) schema.columns.push_back({column.at(0), column.at(1)});
    schema.key = json.at("key").get<std::vector<std::uint32_t>>();
    for (std::uint32_t column : schema.key)
      if (column >= schema.columns.size()) fail();
    return schemas_.intern(std::move(schema));
  }

  Image image(const Json& json, std::size_t columns) {
    if (json.is_null()) return {};
    if (json.size() != columns) fail();
    const std::span<Value> values = batch_.pages().array<Value>(columns);
    for (std::size_t i = 0; i < columns; ++i) values[i] = value(json[i]);
    return {values, true};
  }

  Value value(const Json& json) {
    if (json.is_null()) return Value::null();
    const std::size_t code = kCodes.find(json.at(0).get<std::string>().at(0));
    if (code == std::string_view::npos) fail();
    const Kind kind{static_cast<std::uint8_t>(code)};
    switch (kind) {
      case Kind::null:
      case Kind::absent:
      case Kind::unchanged: return Value::of_kind(kind);
      case Kind::boolean: return Value::boolean(json.at(1));
      case Kind::int64: return Value::int64(json.at(1));
      case Kind::uint64: return Value::uint64(json.at(1));
      case Kind::float32: return Value::float32(json.at(1));
      case Kind::float64: return Value::float64(json.at(1));
      case Kind::array: {
        const Json& items = json.at(1);
        if (++depth_ > kDepth) fail();
        const std::span<Value> values = batch_.pages().array<Value>(items.size());
        for (std::size_t i = 0; i < items.size(); ++i) values[i] = value(items[i]);
        --depth_;
        return Value::array(values);
      }
      default: return Value::of_text(kind, text(json.at(1)));
    }
  }

  const Extra* read_extra(const Json& json) {
    Extra extra;
    extra.before = text(json.at("before"));
    extra.after = text(json.at("after"));
    extra.raw_payload = json.at("raw_payload");
    extra.synthetic = text(json.at("synthetic"));
    extra.members = text(json.at("members"));
    if (json.contains("topic")) extra.topic = text(json["topic"]);
    if (json.contains("key")) extra.key = text(json["key"]);
    const auto tags = batch_.pages().array<std::string_view>(json.at("tags").size());
    for (std::size_t i = 0; i < tags.size(); ++i) tags[i] = text(json["tags"][i]);
    extra.tags = tags;
    const auto headers = batch_.pages().array<Header>(json.at("headers").size());
    for (std::size_t i = 0; i < headers.size(); ++i)
      headers[i] = {text(json["headers"][i].at(0)), text(json["headers"][i].at(1))};
    extra.headers = headers;
    return new (batch_.pages().allocate(sizeof(Extra), alignof(Extra))) Extra(extra);
  }

  // The index of the event's own transaction.
  std::uint32_t commit(const Json& json) {
    const auto id = read_base64(json.at("id").get<std::string>());
    Commit commit;
    if (!id || id->size() != commit.id_hash.size()) fail();
    std::memcpy(commit.id_hash.data(), id->data(), id->size());
    commit.ts_us = json.at("ts_us");
    commit.transaction_id = text(json.at("tx"));
    commit.first = batch_.size();
    commit.last = batch_.size() + 1;
    batch_.commits().push_back(commit);
    return static_cast<std::uint32_t>(batch_.commits().size() - 1);
  }

  static constexpr int kDepth = 16;  // of arrays in arrays; databases stop at six

  schema::Registry& schemas_;
  Batch& batch_;
  int depth_ = 0;
};

}  // namespace

std::string print_kept(const Batch& batch, const Event& event) {
  const Commit& commit = batch.commits()[event.commit];
  std::string id(base64_size(commit.id_hash.size()), '\0');
  print_base64({reinterpret_cast<const char*>(commit.id_hash.data()), commit.id_hash.size()}, id.data());
  const Extra none, &extra = event.extra != nullptr ? *event.extra : none;
  Json json{{"v", 1},
            {"schema", print_schema(*event.schema)},
            {"commit", {{"ts_us", commit.ts_us}, {"id", id}, {"tx", print_text(commit.transaction_id)}}},
            {"event",
             {{"op", std::string(1, static_cast<char>(event.op))},
              {"ordinal", event.ordinal},
              {"order", event.total_order},
              {"fan_out", event.fan_out},
              {"tx_end", event.tx_end},
              {"locus", print_text(event.locus)},
              {"before", print_image(event.before, *event.schema, extra.before)},
              {"after", print_image(event.after, *event.schema, extra.after)}}}};
  if (event.extra != nullptr) json["extra"] = print_extra(*event.extra);
  return json.dump();
}

void restore_kept(std::string_view text, schema::Registry& schemas, Batch& to) {
  const std::uint32_t events = to.size();
  const std::size_t commits = to.commits().size();
  try {
    Reader(schemas, to).read(Json::parse(text));
  } catch (const std::exception& error) {
    to.truncate_events(events);
    to.commits().resize(commits);
    throw Error(ErrorKind::storage, std::string("reading a kept event from the store: ") + error.what(),
                "acknowledge the entry, or restore the state directory from a backup");
  }
}

}  // namespace deltaforge::pipeline
