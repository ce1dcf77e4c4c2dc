// The text form of one value of one type, arrays of it too.
//
//   type: its number in the list below u8 | text
//
// Must hold: a value that is not text points into what was decoded, and is written as valid JSON when the text was
// UTF-8.
#include <array>

#include <nlohmann/json.hpp>

#include "base/pages.h"
#include "base/utf8.h"
#include "contract_intake.h"
#include "encode/json_writer.h"
#include "fuzz.h"
#include "sources/postgres/types.h"

namespace {

constexpr std::array<std::uint32_t, 20> kTypes{16,   17,   18,   23,   25,   114,  603,  700,  701,  1082,
                                               1083, 1114, 1184, 1266, 1700, 3802, 1000, 1001, 1002, 1007};
constexpr std::array<std::uint32_t, 12> kMoreArrays{1009, 199,  1020, 1021, 1022, 1182,
                                                    1183, 1115, 1185, 1270, 1231, 3807};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace deltaforge;
  fuzz::Input in(data, size);
  const std::size_t number = in.byte() % (kTypes.size() + kMoreArrays.size());
  const std::uint32_t oid = number < kTypes.size() ? kTypes[number] : kMoreArrays[number - kTypes.size()];
  auto bytes = in.rest();
  const bool utf8 = is_utf8(as_text(bytes));

  PageBudget budget(1 << 20);
  Pages pages(budget);
  sources::postgres::TypeTable types;
  sources::postgres::Scratch scratch{&pages, {}};
  const sources::postgres::Type& type = *types.get(oid);
  Value value;
  const std::span<char> text(reinterpret_cast<char*>(bytes.data()), bytes.size());
  if (!type.decode(type, text, scratch, value)) return 0;

  const bool json = oid == 114 || oid == 3802 || oid == 199 || oid == 3807;
  fuzz::check_value(value, {.utf8 = false, .json = false});
  static Slab out;
  out.truncate(0);
  encode::JsonWriter writer(out);
  const bool written = writer.value(value);
  fuzz::require(written || !utf8 || json, "a value of UTF-8 text is written");
  if (!written) return 0;
  writer.commit();
  fuzz::require(json || nlohmann::json::accept(out.view()), "what is written is JSON:", out.view());
  return 0;
}
