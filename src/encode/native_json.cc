#include "encode/native_json.h"

#include <charconv>
#include <cstring>

#include "base/check.h"
#include "base/utf8.h"

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

constexpr std::size_t kIdSize = 36;

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
    names_ += quoted(column.name) + ":";
    ends_.push_back(names_.size());
    if (!is_utf8(column.name)) unusable = "the name of a column of " + quoted(schema.full_name) + " is not valid UTF-8";
  }
  names_.append(JsonWriter::kPadding, '\0');
  for (std::string_view name :
       {std::string_view(schema.database), std::string_view(schema.schema), std::string_view(schema.table)})
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
  const std::int64_t ms = ts_us / 1000;
  if (ms != last_ms_ || ms_text_.empty()) {
    ms_text_ = std::to_string(ms);
    last_ms_ = ms;
  }
  return ms_text_;
}

// False: the id is not UTF-8.
bool NativeJson::transaction(std::string_view id) {
  if (id == last_transaction_) [[likely]]
    return true;
  scratch_.truncate(0);
  JsonWriter json(scratch_);
  if (!json.string(id)) return false;
  json.commit();
  transaction_text_.assign(R"(,"transaction":{"id":)").append(scratch_.view()).append(R"(,"total_order":)");
  last_transaction_ = id;
  return true;
}

bool NativeJson::image(const TableText& text, const TableSchema& schema, const Image& image, JsonWriter& json) {
  if (!image.present) {
    json.raw("null");
    return true;
  }
  DF_CHECK(image.values.size() == text.columns(), "an image has one value per column");
  json.raw('{');
  for (std::size_t i = 0; i < image.values.size(); ++i) {
    const Value& value = image.values[i];
    if (value.kind() == Kind::absent) continue;
    json.raw_padded(text.name(i));
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
  if (!transaction(commit.transaction_id)) return "the transaction id is not valid UTF-8";

  json.raw(R"({"before":)");
  if (!image(text, *event.schema, event.before, json)) return problem_;
  json.raw(R"(,"after":)");
  if (!image(text, *event.schema, event.after, json)) return problem_;
  envelope(text, commit, event, json);
  return {};
}

// What follows the images: all parts are at hand, so that there is one look at the room.
void NativeJson::envelope(const TableText& text, const Commit& commit, const Event& event, JsonWriter& json) {
  constexpr std::size_t kFixed = 256;  // the literals, an ordinal, two ids
  const std::string_view ms = milliseconds(commit.ts_us);
  char* to = json.room(kFixed + text.source.size() + text.place.size() + 2 * ms.size() + event.locus.size() +
                       transaction_text_.size() + tenant_.size());
  auto put = [&to](std::string_view part) {
    std::memcpy(to, part.data(), part.size());
    to += part.size();
  };
  put(",");
  put(text.source);
  put(ms);
  put(text.place);
  if (!event.locus.empty()) {
    put(",");
    put(event.locus);
  }
  put(R"(},"op":")");
  *to++ = static_cast<char>(event.op);
  put(R"(","ts_ms":)");
  put(ms);
  if (!commit.transaction_id.empty()) {
    put(transaction_text_);
    to = std::to_chars(to, to + 10, event.total_order).ptr;
    put("}");
  }
  put(R"(,"event_id":")");
  const char* const id = to;
  print_event_id(event_id(commit, event), to);
  to += kIdSize;
  put(R"(","id":")");
  put({id, kIdSize});
  put("\"");
  put(tenant_);
  put(event.tx_end ? std::string_view(R"(,"tx_end":true})") : std::string_view("}"));
  json.wrote(to);
}

}  // namespace deltaforge::encode
