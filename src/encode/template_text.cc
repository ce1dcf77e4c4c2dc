#include "encode/template_text.h"

#include "encode/plain_value.h"

namespace deltaforge::encode {
namespace {

using What = config::Template::What;

bool append_some(std::string_view text, Slab& out) {
  if (!text.empty()) out.append(text);
  return !text.empty();
}

bool append_field(const FieldPath& path, const Event& event, Side side, Slab& out) {
  const auto value = path.find(event, side);
  return value && append_plain(*value, out);
}

}  // namespace

TemplateText::TemplateText(const config::Template& text, std::string tenant)
    : tenant_(std::move(tenant)), is_static_(text.is_static()) {
  for (const auto& part : text.parts())
    parts_.push_back({part, config::Template(std::vector{part}).text(), FieldPath(part.text, part.path)});
}

std::string_view TemplateText::append(const Event& event, Slab& out) const {
  const std::size_t before = out.size();
  for (const Part& part : parts_) {
    if (append_part(part, event, out)) continue;
    out.truncate(before);
    return part.written;
  }
  return {};
}

bool TemplateText::append_part(const Part& part, const Event& event, Slab& out) const {
  switch (part.of.what) {
    case What::literal: return append_some(part.of.text, out);
    case What::table: return append_some(event.schema->table, out);
    case What::db: return append_some(event.schema->database, out);
    case What::schema: return append_some(event.schema->schema, out);
    case What::connector: return append_some(event.schema->connector, out);
    case What::tenant_id: return append_some(tenant_, out);
    case What::op: out.append(static_cast<char>(event.op)); return true;
    case What::before: return append_field(part.field, event, Side::before, out);
    // What an update did not repeat is as it was.
    case What::after:
      return append_field(part.field, event, Side::after, out) ||
             (event.op == Op::update && part.field.is_untold(event, Side::after) &&
              append_field(part.field, event, Side::before, out));
  }
  return false;
}

}  // namespace deltaforge::encode
