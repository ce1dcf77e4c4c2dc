#include "encode/json_writer.h"

#include <emmintrin.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>

#include "base/base64.h"
#include "base/check.h"
#include "base/digits.h"
#include "base/utf8.h"

namespace deltaforge::encode {
namespace {

constexpr char kHex[] = "0123456789abcdef";

// One bit per byte that cannot be copied as it is: a control character, '"', '\', or not ASCII.
unsigned special_bytes(__m128i block) {
  __m128i low = _mm_cmplt_epi8(block, _mm_set1_epi8(0x20));  // signed: >= 0x80 too
  __m128i quote = _mm_cmpeq_epi8(block, _mm_set1_epi8('"'));
  __m128i backslash = _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'));
  return static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(low, _mm_or_si128(quote, backslash))));
}

bool is_special(char c) { return static_cast<signed char>(c) < 0x20 || c == '"' || c == '\\'; }

char* escape(char c, char* to) {
  *to++ = '\\';
  switch (c) {
    case '"':
    case '\\': *to++ = c; return to;
    case '\b': *to++ = 'b'; return to;
    case '\f': *to++ = 'f'; return to;
    case '\n': *to++ = 'n'; return to;
    case '\r': *to++ = 'r'; return to;
    case '\t': *to++ = 't'; return to;
    default:
      std::memcpy(to, "u00", 3);
      to[3] = kHex[static_cast<unsigned char>(c) >> 4];
      to[4] = kHex[c & 15];
      return to + 5;
  }
}

// Copies plain bytes up to the first special one; stores up to 16 bytes past what it says to have written.
char* copy_plain(const char*& at, const char* end, char* to) {
  auto skip = [&](unsigned special) {
    int plain = std::countr_zero(special);
    at += plain;
    return to + plain;
  };
  while (end - at >= 16) {
    __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), block);
    if (unsigned special = special_bytes(block); special != 0) return skip(special);
    at += 16;
    to += 16;
  }
  if (end - at >= 8) {
    __m128i block = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(at));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to), block);
    if (unsigned special = special_bytes(block) & 0xFF; special != 0) return skip(special);
    at += 8;
    to += 8;
  }
  if (end - at >= 4) {
    int word = 0;
    std::memcpy(&word, at, 4);
    std::memcpy(to, &word, 4);
    if (unsigned special = special_bytes(_mm_cvtsi32_si128(word)) & 0xF; special != 0) return skip(special);
    at += 4;
    to += 4;
  }
  while (at < end && !is_special(*at)) *to++ = *at++;
  return to;
}

template <class Float>
char* print_float(Float number, char* to, char* end) {
  DF_CHECK(std::isfinite(number), "a float value is not finite; sources hand those over as text");
  const Float size = std::abs(number);
  // Beyond this whole numbers have gaps, and the fixed form would print digits that are not needed.
  constexpr auto kExact = Float(std::uint64_t{1} << std::numeric_limits<Float>::digits);
  const bool fixed = size == 0 || (size >= Float(1e-5) && size <= kExact);
  auto format = fixed ? std::chars_format::fixed : std::chars_format::scientific;
  char* after = std::to_chars(to, end, number, format).ptr;
  if (fixed && std::find(to, after, '.') == after) {
    *after++ = '.';
    *after++ = '0';
  }
  return after;
}

}  // namespace

void JsonWriter::more(std::size_t size) {
  slab_.add(static_cast<std::size_t>(at_ - begin_));
  map(size + kAhead);
}

void JsonWriter::integer(std::int64_t number) { at_ = put_number(room(20), number); }

void JsonWriter::natural(std::uint64_t number) { at_ = put_number(room(20), number); }

void JsonWriter::float32(float number) {
  char* to = room(32);
  at_ = print_float(number, to, to + 32);
}

void JsonWriter::float64(double number) {
  char* to = room(32);
  at_ = print_float(number, to, to + 32);
}

bool JsonWriter::string(std::string_view text) {
  // In pieces, so that a large text does not ask for six times its size.
  constexpr std::ptrdiff_t kPiece = 8 * 1024;
  const char* at = text.data();
  const char* const end = at + text.size();
  char* to = room(1);
  *to++ = '"';
  do {
    at_ = to;
    const char* const stop = at + std::min(end - at, kPiece);
    to = room(static_cast<std::size_t>(stop - at) * 6 + 32);
    while (at < stop) {
      to = copy_plain(at, stop, to);
      if (at >= stop) break;
      if (static_cast<signed char>(*at) >= 0) {
        to = escape(*at++, to);
        continue;
      }
      std::size_t length = utf8_sequence(at, end);
      if (length == 0) return false;
      for (; length > 0; --length) *to++ = *at++;
    }
  } while (at < end);
  *to++ = '"';
  at_ = to;
  return true;
}

void JsonWriter::bytes(std::string_view bytes) {
  raw(kBytesBegin);
  char* to = room(base64_size(bytes.size()));
  at_ = print_base64(bytes, to);
  raw("\"}");
}

bool JsonWriter::json(std::string_view text) {
  char* to = room(text.size());
  bool ascii = true;
  for (char c : text) {
    ascii &= static_cast<signed char>(c) >= 0;
    *to++ = c == '\n' || c == '\r' ? ' ' : c;
  }
  at_ = to;
  return ascii || utf8_prefix(text) == text.size();
}

bool JsonWriter::value(const Value& v) {
  switch (v.kind()) {
    case Kind::null:
    case Kind::absent: raw("null"); return true;
    case Kind::unchanged: raw(kUnchanged); return true;
    case Kind::boolean: raw(v.as_bool() ? std::string_view("true") : std::string_view("false")); return true;
    case Kind::int64: integer(v.as_int64()); return true;
    case Kind::uint64: natural(v.as_uint64()); return true;
    case Kind::float32: float32(static_cast<float>(v.as_real())); return true;
    case Kind::float64: float64(v.as_real()); return true;
    case Kind::bytes: bytes(v.as_text()); return true;
    case Kind::json: return json(v.as_text());
    case Kind::decimal:
    case Kind::text:
    case Kind::date:
    case Kind::time:
    case Kind::datetime:
    case Kind::timestamp: return string(v.as_text());
    case Kind::array:
      raw('[');
      for (const Value& item : v.as_array()) {
        if (!value(item)) return false;
        raw(',');
      }
      close(']');
      return true;
  }
  DF_CHECK(false, "a value of no kind");
}

}  // namespace deltaforge::encode
