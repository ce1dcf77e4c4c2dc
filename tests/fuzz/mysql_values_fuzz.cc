// One value by itself: decimals, times, character sets, MariaDB's compressed values, compressed transactions.
//
//   what u8 | parameter u8 | bytes
#include "base/utf8.h"
#include "contract_intake.h"
#include "fuzz.h"
#include "sources/mysql/charset.h"
#include "sources/mysql/decimal.h"
#include "sources/mysql/event_header.h"
#include "sources/mysql/inflate.h"
#include "sources/mysql/payload.h"
#include "sources/mysql/temporal.h"

namespace {

using namespace deltaforge;
using namespace deltaforge::sources::mysql;

bool read_time_of_kind(unsigned kind, unsigned digits, Reader& in, Pages& pages, Value& out) {
  DayText day;
  switch (kind) {
    case 0: return read_date(in, pages, out);
    case 1: return read_datetime(in, digits, pages, out);
    case 2: return read_timestamp(in, digits, day, pages, out);
    case 3: return read_time(in, digits, pages, out);
    case 4: return read_old_datetime(in, digits, pages, out);
    case 5: return read_old_timestamp(in, digits, day, pages, out);
    default: return read_old_time(in, digits, pages, out);
  }
}

// Digits, one sign, one point.
bool is_decimal(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  const std::size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  const auto digits = [](std::string_view part) {
    return !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
  };
  return digits(whole) && (point == std::string_view::npos || digits(text.substr(point + 1)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const unsigned what = input.byte() % 6, parameter = input.byte();
  const std::uint32_t collation = what == 2 ? input.size16() : 0;
  const auto bytes = input.rest();
  Reader in(bytes);
  PageBudget budget(1 << 20);
  Pages pages(budget);
  std::string_view text;
  Bytes inflated;
  Value value;
  switch (what) {
    case 0: {
      const unsigned precision = std::max(1u, parameter);
      const unsigned scale = bytes.empty() ? 0 : std::to_integer<unsigned>(bytes[0]) % (precision + 1);
      const Bytes number = in.bytes(decimal_size(precision, scale));
      DecimalRoom room;
      if (in.ok()) text = print_decimal(number, precision, scale, room);
      if (!text.empty()) fuzz::require(is_decimal(text), "a decimal is one:", text);
      break;
    }
    case 1:
      if (read_time_of_kind(parameter % 7, parameter / 7 % 7, in, pages, value))
        fuzz::check_value(value, {.utf8 = true, .json = true});
      break;
    case 2: {
      static TextConverter converter;
      const Charset* charset = charset_of(collation);
      if (charset != nullptr && converter.to_utf8(*charset, as_text(bytes), pages, text))
        fuzz::require(is_utf8(text), "converted text is UTF-8:", charset->name);
      break;
    }
    case 3: (void)inflate_column(bytes, pages, inflated); break;
    case 4: (void)inflate_mariadb(bytes, pages); break;
    default: {
      static Payload payload;
      (void)payload.read(bytes, [](std::span<std::byte> event) {
        fuzz::require(read_header(event).size == event.size(), "an inner event is whole");
      });
    }
  }
  return 0;
}
