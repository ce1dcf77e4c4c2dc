#include "sources/mysql/column.h"

#include <array>
#include <bit>
#include <charconv>
#include <cmath>

#include "sources/mysql/decimal.h"
#include "sources/mysql/inflate.h"
#include "sources/mysql/json_binary.h"

namespace deltaforge::sources::mysql {
namespace {

std::size_t read_length(Reader& in, unsigned prefix) {
  switch (prefix) {
    case 1: return in.u8();
    case 2: return in.u16();
    case 3: return in.u24();
    default: return in.u32();
  }
}

bool refuse(Scratch& scratch, const char* why) {
  scratch.why = why;
  return false;
}

// NaN and the infinities have no place in a FLOAT column, nor in a JSON number: they would be text.
template <class Float>
Value of_float(Float number) {
  if (std::isnan(number)) return Value::of_text(Kind::text, "NaN");
  if (std::isinf(number)) return Value::of_text(Kind::text, number > 0 ? "Infinity" : "-Infinity");
  if constexpr (sizeof number == sizeof(float)) return Value::float32(number);
  return Value::float64(number);
}

constexpr std::uint32_t kUuid = 16, kInet4 = 4, kInet6 = 16;

std::string_view print_uuid(Bytes bytes, char* buffer) {
  constexpr std::string_view kHex = "0123456789abcdef";
  char* to = buffer;
  for (std::size_t i = 0; i < kUuid; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *to++ = '-';
    *to++ = kHex[static_cast<std::size_t>(bytes[i]) >> 4];
    *to++ = kHex[static_cast<std::size_t>(bytes[i]) & 15];
  }
  return {buffer, to};
}

std::string_view print_inet4(Bytes bytes, char* buffer) {
  char* to = buffer;
  for (std::size_t i = 0; i < kInet4; ++i) {
    if (i != 0) *to++ = '.';
    to = std::to_chars(to, to + 3, static_cast<unsigned>(bytes[i])).ptr;
  }
  return {buffer, to};
}

// As MariaDB prints them: unlike inet_ntop() it writes `::` for a single group of zeros, too.
std::string_view print_inet6(Bytes bytes, char* buffer) {
  constexpr std::size_t kGroups = kInet6 / 2;
  std::array<unsigned, kGroups> groups{};
  for (std::size_t i = 0; i < kGroups; ++i) groups[i] = load_big_endian<std::uint16_t>(bytes.data() + 2 * i);
  std::size_t gap = kGroups, gap_size = 0;  // the first of the longest runs of zeros
  for (std::size_t i = 0, size = 0; i < kGroups; ++i) {
    size = groups[i] == 0 ? size + 1 : 0;
    if (size > gap_size) gap_size = size, gap = i + 1 - size;
  }
  const bool holds_inet4 = gap == 0 && (gap_size == 6 || (gap_size == 5 && groups[5] == 0xFFFF));
  char* to = buffer;
  for (std::size_t i = 0; i < kGroups; ++i) {
    if (i == gap) *to++ = ':';
    if (i >= gap && i < gap + gap_size) continue;
    if (i != 0) *to++ = ':';
    if (holds_inet4 && i == 6) return {buffer, to + print_inet4(bytes.subspan(12), to).size()};
    to = std::to_chars(to, to + 4, groups[i], 16).ptr;
  }
  if (gap + gap_size == kGroups && gap_size != 0) *to++ = ':';
  return {buffer, to};
}

}  // namespace

// The functions that a column may be compiled to.
struct Decoders {
  using D = const ColumnDecoder&;

  template <std::size_t width>
  static bool natural(D, Reader& in, Scratch&, Value& out) {
    out = Value::uint64(in.natural<width>());
    return in.ok();
  }

  template <std::size_t width>
  static bool integer(D, Reader& in, Scratch&, Value& out) {
    constexpr unsigned kUnused = 64 - 8 * width;
    out = Value::int64(static_cast<std::int64_t>(in.natural<width>() << kUnused) >> kUnused);
    return in.ok();
  }

  static bool float_(D, Reader& in, Scratch&, Value& out) {
    out = of_float(std::bit_cast<float>(in.u32()));
    return in.ok();
  }

  static bool double_(D, Reader& in, Scratch&, Value& out) {
    out = of_float(std::bit_cast<double>(in.u64()));
    return in.ok();
  }

  static bool decimal(D column, Reader& in, Scratch& scratch, Value& out) {
    DecimalRoom room;
    const Bytes sent = in.bytes(decimal_size(column.precision_, column.digits_));
    if (!in.ok()) return false;
    const std::string_view text = print_decimal(sent, column.precision_, column.digits_, room);
    out = Value::of_text(Kind::decimal, scratch.pages->copy(text));
    return !text.empty();
  }

  static bool year(D, Reader& in, Scratch&, Value& out) {
    std::int64_t sent = in.u8();
    out = Value::int64(sent == 0 ? 0 : 1900 + sent);
    return in.ok();
  }

  // Of exactly as many bits as declared, the highest first.
  static bool bit(D column, Reader& in, Scratch&, Value& out) {
    std::uint64_t bits = 0;
    for (std::byte byte : in.bytes((column.length_ + 7) / 8)) bits = bits << 8 | static_cast<std::uint64_t>(byte);
    out = column.length_ == 1 ? Value::boolean(bits != 0) : Value::uint64(bits);
    return in.ok() && bits <= (~std::uint64_t{0} >> (64 - column.length_));
  }

  static bool date(D, Reader& in, Scratch& scratch, Value& out) { return read_date(in, *scratch.pages, out); }
  static bool datetime(D column, Reader& in, Scratch& scratch, Value& out) {
    return read_datetime(in, column.digits_, *scratch.pages, out);
  }
  static bool timestamp(D column, Reader& in, Scratch& scratch, Value& out) {
    return read_timestamp(in, column.digits_, scratch.day, *scratch.pages, out);
  }
  static bool time(D column, Reader& in, Scratch& scratch, Value& out) {
    return read_time(in, column.digits_, *scratch.pages, out);
  }
  static bool old_datetime(D column, Reader& in, Scratch& scratch, Value& out) {
    return read_old_datetime(in, column.digits_, *scratch.pages, out);
  }
  static bool old_timestamp(D column, Reader& in, Scratch& scratch, Value& out) {
    return read_old_timestamp(in, column.digits_, scratch.day, *scratch.pages, out);
  }
  static bool old_time(D column, Reader& in, Scratch& scratch, Value& out) {
    return read_old_time(in, column.digits_, *scratch.pages, out);
  }

  static bool text_of(D column, std::string_view sent, Scratch& scratch, Value& out) {
    std::string_view text;
    if (!scratch.converter.to_utf8(*column.charset_, sent, *scratch.pages, text))
      return refuse(scratch, "bytes that are not text of its character set");
    out = Value::of_text(Kind::text, text);
    return true;
  }

  static bool text(D column, Reader& in, Scratch& scratch, Value& out) {
    std::string_view sent = in.text(read_length(in, column.prefix_));
    return in.ok() && text_of(column, sent, scratch, out);
  }

  static bool bytes(D column, Reader& in, Scratch&, Value& out) {
    out = Value::of_text(Kind::bytes, in.text(read_length(in, column.prefix_)));
    return in.ok();
  }

  // The log leaves out the zeros at the end of a BINARY(n).
  static bool padded(D column, Reader& in, Scratch& scratch, Bytes& value) {
    value = in.bytes(read_length(in, column.prefix_));
    if (!in.ok() || value.size() > column.length_) return false;
    if (value.size() == column.length_) return true;
    auto whole = scratch.pages->array<std::byte>(column.length_);
    if (!value.empty()) std::memcpy(whole.data(), value.data(), value.size());
    std::memset(whole.data() + value.size(), 0, column.length_ - value.size());
    value = whole;
    return true;
  }

  static bool binary(D column, Reader& in, Scratch& scratch, Value& out) {
    Bytes value;
    if (!padded(column, in, scratch, value)) return false;
    out = Value::of_text(Kind::bytes, as_text(value));
    return true;
  }

  static bool uuid(D column, Reader& in, Scratch& scratch, Value& out) {
    Bytes value;
    char buffer[2 * kUuid + 4];
    if (!padded(column, in, scratch, value)) return false;
    out = Value::of_text(Kind::text, scratch.pages->copy(print_uuid(value, buffer)));
    return true;
  }

  static bool inet4(D column, Reader& in, Scratch& scratch, Value& out) {
    Bytes value;
    char buffer[16];
    if (!padded(column, in, scratch, value)) return false;
    out = Value::of_text(Kind::text, scratch.pages->copy(print_inet4(value, buffer)));
    return true;
  }

  static bool inet6(D column, Reader& in, Scratch& scratch, Value& out) {
    Bytes value;
    char buffer[64];
    if (!padded(column, in, scratch, value)) return false;
    out = Value::of_text(Kind::text, scratch.pages->copy(print_inet6(value, buffer)));
    return true;
  }

  static bool compressed(D column, Reader& in, Scratch& scratch, Value& out) {
    Bytes value = in.bytes(read_length(in, column.prefix_));
    if (!in.ok()) return false;
    if (!inflate_column(value, *scratch.pages, value)) return refuse(scratch, "compressed bytes that are damaged");
    if (column.charset_->form != Charset::Form::binary) return text_of(column, as_text(value), scratch, out);
    out = Value::of_text(Kind::bytes, as_text(value));
    return true;
  }

  static bool json(D column, Reader& in, Scratch& scratch, Value& out) {
    Bytes document = in.bytes(read_length(in, column.prefix_));
    if (!in.ok()) return false;
    Result<std::string_view> text = print_json(document, *scratch.pages);
    if (!text) return refuse(scratch, "a damaged JSON document");
    out = Value::of_text(Kind::json, *text);
    return true;
  }

  static bool vector(D column, Reader& in, Scratch& scratch, Value& out) {
    Bytes sent = in.bytes(read_length(in, column.prefix_));
    if (!in.ok() || sent.size() % sizeof(float) != 0) return false;
    auto items = scratch.pages->array<Value>(sent.size() / sizeof(float));
    Reader floats(sent);
    for (Value& item : items) item = of_float(std::bit_cast<float>(floats.u32()));
    out = Value::array(items);
    return true;
  }

  // Index 0 is what a statement that is not strict stores for an unknown label.
  static bool enum_(D column, Reader& in, Scratch& scratch, Value& out) {
    std::size_t index = column.length_ == 1 ? in.u8() : in.u16();
    if (!in.ok()) return false;
    if (index > column.labels_.size()) return refuse(scratch, "an index that has no label");
    out = Value::of_text(Kind::text, index == 0 ? std::string_view{} : scratch.pages->copy(column.labels_[index - 1]));
    return true;
  }

  static bool set(D column, Reader& in, Scratch& scratch, Value& out) {
    const std::uint64_t bits = in.natural(column.length_);
    if (!in.ok()) return false;
    if (static_cast<std::size_t>(std::bit_width(bits)) > column.labels_.size())
      return refuse(scratch, "a bit that has no label");
    std::size_t size = 0;
    for (std::uint64_t left = bits; left != 0; left &= left - 1)
      size += column.labels_[static_cast<std::size_t>(std::countr_zero(left))].size() + 1;
    if (size != 0) --size;  // a comma less than labels
    char* to = reinterpret_cast<char*>(scratch.pages->allocate(size, 1));
    out = Value::of_text(Kind::text, {to, size});
    for (std::uint64_t left = bits; left != 0; left &= left - 1) {
      const std::string& label = column.labels_[static_cast<std::size_t>(std::countr_zero(left))];
      std::memcpy(to, label.data(), label.size());
      to += label.size();
      if ((left & (left - 1)) != 0) *to++ = ',';
    }
    return true;
  }

  // Making one. A text is what was wrong.
  using Why = std::string;

  static Why integer_type(ColumnDecoder& d, std::size_t width, bool is_unsigned) {
    switch (width) {
      case 1: d.decode_ = is_unsigned ? natural<1> : integer<1>; break;
      case 2: d.decode_ = is_unsigned ? natural<2> : integer<2>; break;
      case 3: d.decode_ = is_unsigned ? natural<3> : integer<3>; break;
      case 4: d.decode_ = is_unsigned ? natural<4> : integer<4>; break;
      default: d.decode_ = is_unsigned ? natural<8> : integer<8>; break;
    }
    return {};
  }

  static Why temporal_type(ColumnDecoder& d, ColumnDecoder::Decode decode, unsigned digits) {
    if (digits > kFractionDigits) return "a fraction of " + std::to_string(digits) + " digits";
    d.decode_ = decode;
    d.digits_ = static_cast<std::uint8_t>(digits);
    return {};
  }

  static Why decimal_type(ColumnDecoder& d, unsigned precision, unsigned scale) {
    if (precision == 0 || precision > kDecimalDigits || scale > kDecimalScale || scale > precision)
      return "no decimal has " + std::to_string(precision) + " digits, " + std::to_string(scale) +
             " of them a fraction";
    d.decode_ = decimal;
    d.precision_ = static_cast<std::uint8_t>(precision);
    d.digits_ = static_cast<std::uint8_t>(scale);
    return {};
  }

  static Why bit_type(ColumnDecoder& d) {
    if (d.length_ == 0 || d.length_ > 64) return "no BIT has " + std::to_string(d.length_) + " bits";
    d.decode_ = bit;
    return {};
  }

  static Why label_type(ColumnDecoder& d, const TableColumn& column, ColumnDecoder::Decode decode, unsigned widest) {
    if (d.length_ == 0 || d.length_ > widest) return "an index of " + std::to_string(d.length_) + " bytes";
    d.decode_ = decode;
    d.labels_ = column.labels;
    return {};
  }

  static Why prefixed(ColumnDecoder& d, ColumnDecoder::Decode decode, unsigned prefix) {
    if (prefix == 0 || prefix > 4) return "a length of " + std::to_string(prefix) + " bytes";
    d.decode_ = decode;
    d.prefix_ = static_cast<std::uint8_t>(prefix);
    return {};
  }

  static Why text_type(ColumnDecoder& d, const TableColumn& column, ColumnDecoder::Decode if_binary, unsigned prefix) {
    if (column.collation == 0) return "the log does not name its character set";
    d.charset_ = charset_of(column.collation);
    if (d.charset_ == nullptr) return "unknown collation " + std::to_string(column.collation);
    if (!is_convertible(*d.charset_)) return "this machine's iconv does not know " + std::string(d.charset_->name);
    bool is_binary = d.charset_->form == Charset::Form::binary;
    return prefixed(d, is_binary ? if_binary : text, prefix);
  }

  static Why compressed_type(ColumnDecoder& d, const TableColumn& column, unsigned prefix) {
    Why why = text_type(d, column, bytes, prefix);
    d.decode_ = compressed;
    return why;
  }

  static unsigned short_prefix(const ColumnDecoder& d) { return d.length_ > 255 ? 2 : 1; }

  static Why string_type(ColumnDecoder& d, const TableColumn& column, ColumnHint::As as) {
    const unsigned prefix = short_prefix(d);
    auto fixed = [&](std::uint32_t length, ColumnDecoder::Decode decode) {
      return d.length_ == length ? prefixed(d, decode, prefix) : Why("a length that its type does not have");
    };
    switch (as) {
      case ColumnHint::As::uuid: return fixed(kUuid, uuid);
      case ColumnHint::As::inet4: return fixed(kInet4, inet4);
      case ColumnHint::As::inet6: return fixed(kInet6, inet6);
      default: return text_type(d, column, binary, prefix);
    }
  }

  static Why compile(ColumnDecoder& d, const TableColumn& column, ColumnHint hint) {
    switch (column.type) {
      case ColumnType::tiny_int: return integer_type(d, 1, column.is_unsigned);
      case ColumnType::small_int: return integer_type(d, 2, column.is_unsigned);
      case ColumnType::medium_int: return integer_type(d, 3, column.is_unsigned);
      case ColumnType::int_: return integer_type(d, 4, column.is_unsigned);
      case ColumnType::big_int: return integer_type(d, 8, column.is_unsigned);
      case ColumnType::float_: d.decode_ = float_; return {};
      case ColumnType::double_: d.decode_ = double_; return {};
      case ColumnType::decimal: return decimal_type(d, column.meta >> 8, column.meta & 0xFF);
      case ColumnType::year: d.decode_ = year; return {};
      case ColumnType::bit: return bit_type(d);
      case ColumnType::date:
      case ColumnType::new_date: d.decode_ = date; return {};
      case ColumnType::datetime: return temporal_type(d, datetime, column.meta);
      case ColumnType::timestamp: return temporal_type(d, timestamp, column.meta);
      case ColumnType::time: return temporal_type(d, time, column.meta);
      case ColumnType::old_datetime: return temporal_type(d, old_datetime, hint.digits);
      case ColumnType::old_timestamp: return temporal_type(d, old_timestamp, hint.digits);
      case ColumnType::old_time: return temporal_type(d, old_time, hint.digits);
      case ColumnType::enum_: return label_type(d, column, enum_, 2);
      case ColumnType::set: return label_type(d, column, set, 8);
      case ColumnType::json: return prefixed(d, json, column.meta);
      case ColumnType::geometry: return prefixed(d, bytes, column.meta);
      case ColumnType::vector: return prefixed(d, vector, column.meta);
      case ColumnType::string:
      case ColumnType::var_string: return string_type(d, column, hint.as);
      case ColumnType::varchar: return text_type(d, column, bytes, short_prefix(d));
      case ColumnType::tiny_blob:
      case ColumnType::medium_blob:
      case ColumnType::long_blob:
      case ColumnType::blob: return text_type(d, column, bytes, column.meta);
      case ColumnType::varchar_compressed: return compressed_type(d, column, short_prefix(d));
      case ColumnType::blob_compressed: return compressed_type(d, column, column.meta);
      default: return "type " + std::to_string(static_cast<int>(column.type)) + " is not known";
    }
  }
};

Result<ColumnDecoder> ColumnDecoder::make(const TableColumn& column, ColumnHint hint) {
  ColumnDecoder decoder;
  decoder.name_ = column.name;
  decoder.type_ = column.type;
  decoder.length_ = column.length;
  std::string why = Decoders::compile(decoder, column, hint);
  if (!why.empty()) return DecodeFailure{"column \"" + column.name + "\": " + why, 0};
  return decoder;
}

}  // namespace deltaforge::sources::mysql
