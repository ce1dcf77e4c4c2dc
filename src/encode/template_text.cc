#include "encode/template_text.h"

#include "encode/json_member.h"
#include "encode/json_writer.h"
#include "encode/plain_value.h"

namespace deltaforge::encode {
namespace {

using What = config::Template::What;

bool append_some(std::string_view text, Slab& out) {
  if (!text.empty()) out.append(text);
  return !text.empty();
}

// Null when the image says nothing of the column.
const Value* value_of(const Event& event, const Image& image, std::string_view name) {
  if (!image.present) return nullptr;
  const auto& columns = event.schema->columns;
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (columns[i].name == name) return &image.values[i];
  return nullptr;
}

bool append_value(const Value& value, Slab& out) {
  if (!is_known(value)) return false;
  if (value.kind() == Kind::json) {
    if (value.as_text() == "null") return false;
    if (value.as_text().starts_with('"')) return append_unescaped(value.as_text(), out);
  }
  JsonWriter to(out);
  if (!write_plain(value, to)) return false;
  to.commit();
  return true;
}

bool append_path(const config::Template::Part& part, const Event& event, const Image& image, Slab& out) {
  // A column's name may have dots itself.
  if (const Value* value = value_of(event, image, part.text)) return append_value(*value, out);
  const Value* column = part.path.size() > 1 ? value_of(event, image, part.path[0]) : nullptr;
  if (column == nullptr || column->kind() != Kind::json) return false;
  std::string_view json = column->as_text();
  for (std::size_t i = 1; i < part.path.size(); ++i) {
    auto member = json_member(json, part.path[i]);
    if (!member) return false;
    json = *member;
  }
  return append_value(Value::of_text(Kind::json, json), out);
}

// The column is there, and its value is one that the log did not repeat, or left out.
bool is_unchanged(const config::Template::Part& part, const Event& event) {
  const Value* value = value_of(event, event.after, part.text);
  if (value == nullptr) value = value_of(event, event.after, part.path[0]);
  return value != nullptr && !is_known(*value);
}

}  // namespace

TemplateText::TemplateText(const config::Template& text, std::string tenant)
    : tenant_(std::move(tenant)), is_static_(text.is_static()) {
  for (const auto& part : text.parts()) parts_.emplace_back(part, config::Template(std::vector{part}).text());
}

std::string_view TemplateText::append(const Event& event, Slab& out) const {
  const std::size_t before = out.size();
  for (const auto& [part, written] : parts_) {
    if (append_part(part, event, out)) continue;
    out.truncate(before);
    return written;
  }
  return {};
}

bool TemplateText::append_part(const config::Template::Part& part, const Event& event, Slab& out) const {
  switch (part.what) {
    case What::literal: return append_some(part.text, out);
    case What::table: return append_some(event.schema->table, out);
    case What::db: return append_some(event.schema->database, out);
    case What::schema: return append_some(event.schema->schema, out);
    case What::connector: return append_some(event.schema->connector, out);
    case What::tenant_id: return append_some(tenant_, out);
    case What::op: out.append(static_cast<char>(event.op)); return true;
    case What::before: return append_path(part, event, event.before, out);
    // What an update did not repeat is as it was.
    case What::after:
      return append_path(part, event, event.after, out) ||
             (event.after.present && event.op == Op::update && is_unchanged(part, event) &&
              append_path(part, event, event.before, out));
  }
  return false;
}

}  // namespace deltaforge::encode
