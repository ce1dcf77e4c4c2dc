#include "encode/native_json.h"

#include <charconv>

#include "base/check.h"

namespace deltaforge::encode {
namespace {

// Off the hot path. Text that is not UTF-8 becomes null; whoever needs to know asks is_utf8() too.
class Quoter {
 public:
  std::string operator()(std::string_view text) {
    slab_.truncate(0);
    JsonWriter json(slab_);
    if (!json.string(text)) return "null";
    json.commit();
    return std::string(slab_.view());
  }

 private:
  Slab slab_;
};

bool is_utf8(std::string_view text) { return utf8_prefix(text) == text.size(); }

constexpr std::string_view kUtf8Remedy =
    "mend the value in the database; a database with encoding SQL_ASCII takes any bytes";

}  // namespace

TableText::TableText(const TableSchema& schema) : id(schema.id) {
  Quoter quoted;
  source = R"("source":{"version":)" + quoted(DELTAFORGE_VERSION) + R"(,"connector":)" + quoted(schema.connector) +
           R"(,"name":)" + quoted(schema.source_id) + R"(,"ts_ms":)";
  place = R"(,"db":)" + quoted(schema.database);
  if (!schema.schema.empty()) place += R"(,"schema":)" + quoted(schema.schema);
  place += R"(,"table":)" + quoted(schema.table);
  for (const Column& column : schema.columns) {
    names.push_back(quoted(column.name) + ":");
    if (!is_utf8(column.name)) unusable = "the name of a column of " + quoted(schema.full_name) + " is not valid UTF-8";
  }
  for (std::string_view name : {std::string_view(schema.database), std::string_view(schema.schema),
                                std::string_view(schema.table)})
    if (!is_utf8(name)) unusable = "the name of a table or of its database is not valid UTF-8";
}

NativeJson::NativeJson(std::string_view tenant) {
  if (!tenant.empty()) tenant_ = R"(,"tenant_id":)" + Quoter()(tenant);
}

const TableText& NativeJson::table(const TableSchema& schema) {
  if (last_ != nullptr && last_->id == schema.id) [[likely]]
    return *last_;
  auto found = tables_.find(schema.id);
  if (found == tables_.end()) found = tables_.try_emplace(schema.id, schema).first;
  return *(last_ = &found->second);
}

std::string_view NativeJson::milliseconds(std::int64_t ts_us) {
  std::int64_t ms = ts_us / 1000;
  if (ms != last_ms_ || last_ms_text_.empty()) {
    last_ms_text_.resize(20);
    char* end = std::to_chars(last_ms_text_.data(), last_ms_text_.data() + 20, ms).ptr;
    last_ms_text_.resize(static_cast<std::size_t>(end - last_ms_text_.data()));
    last_ms_ = ms;
  }
  return last_ms_text_;
}

bool NativeJson::image(const TableText& text, const TableSchema& schema, const Image& image, JsonWriter& json) {
  if (!image.present) {
    json.raw("null");
    return true;
  }
  DF_CHECK(image.values.size() == text.names.size(), "an image has one value per column");
  json.raw('{');
  for (std::size_t i = 0; i < image.values.size(); ++i) {
    const Value& value = image.values[i];
    if (value.kind() == Kind::absent) continue;
    json.raw(text.names[i]);
    if (!json.value(value)) [[unlikely]] {
      problem_ = "column \"" + schema.columns[i].name + "\": the value is not valid UTF-8";
      if (value.kind() != Kind::array)
        problem_ += " from its byte " + std::to_string(utf8_prefix(value.as_text()) + 1) + " on";
      problem_ += "; ";
      problem_ += kUtf8Remedy;
      return false;
    }
    json.raw(',');
  }
  json.close('}');
  return true;
}

std::string_view NativeJson::write(const Batch& batch, const Event& event, JsonWriter& json) {
  const TableText& text = table(*event.schema);
  if (!text.unusable.empty()) return text.unusable;
  const Commit& commit = batch.commits()[event.commit];
  const std::string_view ms = milliseconds(commit.ts_us);

  json.raw(R"({"before":)");
  if (!image(text, *event.schema, event.before, json)) return problem_;
  json.raw(R"(,"after":)");
  if (!image(text, *event.schema, event.after, json)) return problem_;
  json.raw(',');
  json.raw(text.source);
  json.raw(ms);
  json.raw(text.place);
  if (!event.locus.empty()) {
    json.raw(',');
    json.raw(event.locus);
  }
  json.raw(R"(},"op":")");
  json.raw(static_cast<char>(event.op));
  json.raw(R"(","ts_ms":)");
  json.raw(ms);
  if (!commit.transaction_id.empty()) {
    json.raw(R"(,"transaction":{"id":)");
    if (!json.string(commit.transaction_id)) return "the transaction id is not valid UTF-8";
    json.raw(R"(,"total_order":)");
    json.natural(event.total_order);
    json.raw('}');
  }
  char id[36];
  print_event_id(event_id(commit, event), id);
  json.raw(R"(,"event_id":")");
  json.raw({id, sizeof id});
  json.raw(R"(","id":")");
  json.raw({id, sizeof id});
  json.raw('"');
  json.raw(tenant_);
  json.raw(event.tx_end ? std::string_view(R"(,"tx_end":true})") : std::string_view("}"));
  return {};
}

}  // namespace deltaforge::encode
