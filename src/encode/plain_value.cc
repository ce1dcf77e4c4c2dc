#include "encode/plain_value.h"

#include "encode/base64.h"

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

}  // namespace deltaforge::encode
