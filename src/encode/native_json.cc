#include "encode/native_json.h"

#include <cstring>

#include "base/check.h"
#include "base/digits.h"
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
  source = R"(,"source":{"version":)" + quoted(DELTAFORGE_VERSION) + R"(,"connector":)" + quoted(schema.connector) +
           R"(,"name":)" + quoted(schema.source_id) + R"(,"ts_ms":)";
  place = R"(,"db":)" + quoted(schema.database);
  if (!schema.schema.empty()) place += R"(,"schema":)" + quoted(schema.schema);
  place += R"(,"table":)" + quoted(schema.table);
  for (const Column& column : schema.columns) {
    names_ += "," + quoted(column.name) + ":";
    ends_.push_back(names_.size());
    if (!is_utf8(column.name)) unusable = "the name of a column of " + quoted(schema.full_name) + " is not valid UTF-8";
  }
  names_.append(JsonWriter::kPadding, '\0');
  for (std::string_view name :
       {std::string_view(schema.database), std::string_view(schema.schema), std::string_view(schema.table)})
    if (!is_utf8(name)) unusable = "the name of a table or of its database is not valid UTF-8";
}

NativeJson::NativeJson(std::string_view tenant) {
  if (!tenant.empty()) end_ = R"(,"tenant_id":)" + Quoter()(tenant);
  end_.insert(0, "\"");
  open_end_ = end_;
  last_end_ = end_ + R"(,"tx_end":true})";
  end_ += '}';
}

const TableText& NativeJson::table(const TableSchema& schema) {
  if (last_ != nullptr && last_->id == schema.id) [[likely]]
    return *last_;
  auto found = tables_.find(schema.id);
  if (found == tables_.end()) found = tables_.try_emplace(schema.id, schema).first;
  return *(last_ = &found->second);
}

// What follows the images, up to the locus and up to the ordinal, changes with the table and the commit only. False:
// the id of the transaction is not UTF-8.
bool NativeJson::share(const TableText& text, const Commit& commit) {
  const std::int64_t ms = commit.ts_us / 1000;
  if (ms != ms_ || commit.transaction_id != transaction_ || place_.empty()) [[unlikely]] {
    scratch_.truncate(0);
    JsonWriter json(scratch_);
    if (!json.string(commit.transaction_id)) return false;
    json.commit();
    ms_ = ms;
    ms_text_ = std::to_string(ms);
    transaction_ = commit.transaction_id;
    place_.assign(R"(","ts_ms":)").append(ms_text_);
    if (!transaction_.empty())
      place_.append(R"(,"transaction":{"id":)").append(scratch_.view()).append(R"(,"total_order":)");
    source_of_ = nullptr;
  }
  if (source_of_ != &text) [[unlikely]] {
    source_.assign(text.source).append(ms_text_).append(text.place);
    source_of_ = &text;
  }
  return true;
}

bool NativeJson::image(const TableText& text, const TableSchema& schema, const Image& image, JsonWriter& json) {
  if (!image.present) {
    json.raw("null");
    return true;
  }
  DF_CHECK(image.values.size() == text.columns(), "an image has one value per column");
  json.raw('{');
  std::size_t comma = 1;  // the first member leaves it out
  for (std::size_t i = 0; i < image.values.size(); ++i) {
    const Value& value = image.values[i];
    if (value.kind() == Kind::absent) continue;
    json.raw_padded(text.name(i).substr(comma));
    comma = 0;
    if (!json.value(value)) [[unlikely]] {
      problem_ = "column \"" + schema.columns[i].name + "\": the value is not valid UTF-8";
      if (value.kind() != Kind::array)
        problem_ += " from its byte " + std::to_string(utf8_prefix(value.as_text()) + 1) + " on";
      problem_ += "; ";
      problem_ += kUtf8Remedy;
      return false;
    }
  }
  json.raw('}');
  return true;
}

bool NativeJson::before(const TableText& text, const Event& event, JsonWriter& json) {
  if (event.extra == nullptr || event.extra->before.empty()) [[likely]]
    return image(text, *event.schema, event.before, json);
  json.raw(event.extra->before);
  return true;
}

bool NativeJson::after(const TableText& text, const Event& event, JsonWriter& json) {
  if (event.extra == nullptr || event.extra->after.empty()) [[likely]]
    return image(text, *event.schema, event.after, json);
  json.raw(event.extra->after);
  return true;
}

std::string_view NativeJson::write(const Batch& batch, const Event& event, JsonWriter& json) {
  const TableText& text = table(*event.schema);
  if (!text.unusable.empty()) return text.unusable;
  const Commit& commit = batch.commits()[event.commit];
  if (!share(text, commit)) return "the transaction id is not valid UTF-8";

  json.raw(R"({"before":)");
  if (!before(text, event, json)) return problem_;
  json.raw(R"(,"after":)");
  if (!after(text, event, json)) return problem_;
  envelope(commit, event, json);
  if (event.extra != nullptr && !end_with(*event.extra, event.tx_end, json)) [[unlikely]]
    return "a tag is not valid UTF-8";
  return {};
}

std::string_view NativeJson::write_payload(const Event& event, JsonWriter& json) {
  const TableText& text = table(*event.schema);
  if (!text.unusable.empty()) return text.unusable;
  return after(text, event, json) ? std::string_view() : problem_;
}

// The end of an event that a processor has added to.
bool NativeJson::end_with(const Extra& extra, bool tx_end, JsonWriter& json) {
  if (!extra.tags.empty()) {
    json.raw(R"(,"tags":[)");
    for (std::size_t i = 0; i < extra.tags.size(); ++i) {
      if (i > 0) json.raw(',');
      if (!json.string(extra.tags[i])) return false;
    }
    json.raw(']');
  }
  if (!extra.synthetic.empty()) {
    json.raw(R"(,"synthetic":)");
    if (!json.string(extra.synthetic)) return false;
  }
  if (tx_end) json.raw(R"(,"tx_end":true)");
  if (!extra.members.empty()) {
    json.raw(',');
    json.raw(extra.members);
  }
  json.raw('}');
  return true;
}

// What follows the images: all parts are at hand, so that there is one look at the room.
void NativeJson::envelope(const Commit& commit, const Event& event, JsonWriter& json) {
  constexpr std::size_t kFixed = 256;  // the literals, an ordinal, two ids
  char* to = json.room(kFixed + source_.size() + event.locus.size() + place_.size() + last_end_.size());
  auto put = [&to](std::string_view part) {
    std::memcpy(to, part.data(), part.size());
    to += part.size();
  };
  auto literal = [&to]<std::size_t size>(const char(&text)[size]) {
    std::memcpy(to, text, size - 1);
    to += size - 1;
  };
  put(source_);
  if (!event.locus.empty()) {
    *to++ = ',';
    put(event.locus);
  }
  literal(R"(},"op":")");
  *to++ = static_cast<char>(event.op);
  put(place_);
  if (!commit.transaction_id.empty()) {
    to = put_number(to, std::uint64_t{event.total_order});
    *to++ = '}';
  }
  literal(R"(,"event_id":")");
  const char* const id = to;
  print_event_id(event_id(commit, event), to);
  to += kIdSize;
  literal(R"(","id":")");
  std::memcpy(to, id, kIdSize);
  to += kIdSize;
  put(event.extra != nullptr ? open_end_ : event.tx_end ? last_end_ : end_);
  json.wrote(to);
}

}  // namespace deltaforge::encode
