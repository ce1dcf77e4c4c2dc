#include "encode/plain_value.h"

#include "base/base64.h"
#include "encode/json_member.h"

namespace deltaforge::encode {

bool write_plain(const Value& value, JsonWriter& to) {
  switch (value.kind()) {
    case Kind::bytes: {
      char* end = print_base64(value.as_text(), to.room(base64_size(value.as_text().size())));
      to.wrote(end);
      return true;
    }
    case Kind::text:
    case Kind::decimal:
    case Kind::date:
    case Kind::time:
    case Kind::datetime:
    case Kind::timestamp:
      if (!value.as_text().empty()) to.raw(value.as_text());
      return true;
    default: return to.value(value);
  }
}

bool append_plain(const Value& value, Slab& out) {
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

}  // namespace deltaforge::encode
