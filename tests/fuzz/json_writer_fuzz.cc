// Values, nested as the input says -> JSON.
//
//   (kind u8 | what the kind needs)*; 0 ends an array
//
// Must hold: it is JSON, texts come back as they were, and it is refused exactly when a text is not UTF-8.
#include <cmath>
#include <cstring>
#include <deque>

#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "encode/json_writer.h"
#include "fuzz.h"

namespace {

using namespace deltaforge;

struct Maker {
  fuzz::Input& in;
  std::deque<std::vector<std::byte>> texts = {};
  std::deque<std::vector<Value>> arrays = {};
  bool all_utf8 = true;
  bool has_json = false;

  template <class Number>
  Number number() {
    Number value = 0;
    const auto bytes = in.bytes(sizeof value);
    if (!bytes.empty()) std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }

  Value text(Kind kind) {
    texts.push_back(in.bytes(in.byte() >= 250 ? in.size16() : in.byte()));
    const std::string_view view = as_text(texts.back());
    if (kind != Kind::bytes && !is_utf8(view)) all_utf8 = false;
    return Value::of_text(kind, view);
  }

  Value make(std::uint8_t what, int depth) {
    const Kind kind{static_cast<std::uint8_t>(what % (static_cast<unsigned>(Kind::array) + 1))};
    switch (kind) {
      case Kind::null:
      case Kind::absent:
      case Kind::unchanged: return Value::of_kind(kind);
      case Kind::boolean: return Value::boolean((in.byte() & 1) != 0);
      case Kind::int64: return Value::int64(number<std::int64_t>());
      case Kind::uint64: return Value::uint64(number<std::uint64_t>());
      case Kind::float32: {
        const auto real = number<float>();
        return Value::float32(std::isfinite(real) ? real : 0);
      }
      case Kind::float64: {
        const auto real = number<double>();
        return Value::float64(std::isfinite(real) ? real : 0);
      }
      case Kind::array: break;
      default: has_json |= kind == Kind::json; return text(kind);
    }
    std::vector<Value> items;
    if (depth < 6)
      for (std::uint8_t item = in.byte(); item != 0; item = in.byte()) items.push_back(make(item, depth + 1));
    return Value::array(arrays.emplace_back(std::move(items)));
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in(data, size);
  static Slab out;
  while (!in.empty()) {
    Maker maker{in};
    const Value value = maker.make(in.byte(), 0);
    out.truncate(0);
    encode::JsonWriter writer(out);
    const bool written = writer.value(value);
    fuzz::require(written == maker.all_utf8, "it is refused exactly when a text is not UTF-8");
    if (!written || maker.has_json) continue;  // what the database calls JSON is taken at its word
    writer.commit();
    const auto json = nlohmann::json::parse(out.view(), nullptr, false);
    fuzz::require(!json.is_discarded(), "what is written is JSON:", out.view());
    if (value.kind() == Kind::text) fuzz::require(json == value.as_text(), "a text comes back as it was");
    if (value.kind() == Kind::int64) fuzz::require(json == value.as_int64(), "a number comes back as it was");
    if (value.kind() == Kind::float64) fuzz::require(json == value.as_real(), "a number comes back as it was");
  }
  return 0;
}
