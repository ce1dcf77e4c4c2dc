#include "sources/mysql/charset.h"

#include <iconv.h>

#include <algorithm>
#include <span>
#include <vector>

#include "base/utf8.h"
#include "sources/mysql/charset_tables.h"

namespace deltaforge::sources::mysql {
namespace {

using Form = Charset::Form;

// One character in UTF-8; size 0: the byte means nothing.
struct Utf8Character {
  std::uint8_t size = 0;
  char bytes[3] = {};
};
using ByteTable = std::array<Utf8Character, 256>;

Utf8Character encode(char16_t c) {
  auto byte = [](unsigned value) { return static_cast<char>(value); };
  if (c < 0x80) return {1, {byte(c)}};
  if (c < 0x800) return {2, {byte(0xC0U | c >> 6), byte(0x80U | (c & 0x3F))}};
  return {3, {byte(0xE0U | c >> 12), byte(0x80U | (c >> 6 & 0x3F)), byte(0x80U | (c & 0x3F))}};
}

// Character sets of several bytes: the length of a character by its first two bytes, 0 when there is none.
using Length = std::size_t (*)(unsigned first, unsigned second);

bool within(unsigned value, unsigned low, unsigned high) { return value >= low && value <= high; }

std::size_t big5_length(unsigned first, unsigned) { return within(first, 0xA1, 0xF9) ? 2 : 0; }
std::size_t gb2312_length(unsigned first, unsigned) { return within(first, 0xA1, 0xF7) ? 2 : 0; }
std::size_t gbk_length(unsigned first, unsigned) { return within(first, 0x81, 0xFE) ? 2 : 0; }
std::size_t gb18030_length(unsigned first, unsigned second) {
  if (!within(first, 0x81, 0xFE)) return 0;
  return within(second, '0', '9') ? 4 : 2;
}
std::size_t sjis_length(unsigned first, unsigned) {
  if (within(first, 0xA1, 0xDF)) return 1;
  return within(first, 0x81, 0x9F) || within(first, 0xE0, 0xFC) ? 2 : 0;
}
std::size_t euc_jp_length(unsigned first, unsigned) {
  if (first == 0x8F) return 3;
  return first == 0x8E || within(first, 0xA1, 0xFE) ? 2 : 0;
}

struct MultiByte {
  std::string_view charset;
  const char* iconv_name;
  Length length;
  std::span<const Patch> patches;
};

const std::vector<MultiByte>& multi_bytes() {
  static const std::vector<MultiByte> all{
      {"big5", "BIG5", big5_length, big5_patches()},
      {"sjis", "SJIS", sjis_length, sjis_patches()},
      {"cp932", "CP932", sjis_length, {}},
      {"ujis", "EUC-JP", euc_jp_length, ujis_patches()},
      {"eucjpms", "EUC-JP-MS", euc_jp_length, {}},
      {"euckr", "CP949", gbk_length, {}},
      {"gb2312", "EUC-CN", gb2312_length, {}},
      {"gbk", "GBK", gbk_length, {}},
      {"gb18030", "GB18030", gb18030_length, gb18030_patches()},
  };
  return all;
}

// Everything that charset_of() hands out, made at its first call.
class Registry {
 public:
  Registry() {
    for (auto [name, form] :
         {std::pair{"binary", Form::binary}, {"ascii", Form::ascii}, {"utf8mb3", Form::utf8}, {"utf8mb4", Form::utf8}})
      charsets_.push_back({name, form, true, 0});
    for (auto [name, form] :
         {std::pair{"ucs2", Form::ucs2}, {"utf16", Form::utf16}, {"utf16le", Form::utf16le}, {"utf32", Form::utf32}})
      charsets_.push_back({name, form, false, 0});
    for (const SingleByteTable& table : single_byte_tables()) add_single_byte(table);
    add_swe7();
    for (std::size_t i = 0; i < multi_bytes().size(); ++i)
      charsets_.push_back({multi_bytes()[i].charset, Form::multi_byte, true, static_cast<std::uint8_t>(i)});
  }

  const Charset* find(std::string_view name) const {
    auto found = std::ranges::find(charsets_, name, &Charset::name);
    return found == charsets_.end() ? nullptr : &*found;
  }

  const ByteTable& table(const Charset& charset) const { return tables_[charset.index]; }

 private:
  void add(std::string_view name, bool ascii_inside, const ByteTable& table) {
    charsets_.push_back({name, Form::single_byte, ascii_inside, static_cast<std::uint8_t>(tables_.size())});
    tables_.push_back(table);
  }

  static ByteTable ascii_and_controls() {
    ByteTable table;
    for (unsigned byte = 0; byte < 0xA0; ++byte) table[byte] = encode(static_cast<char16_t>(byte));
    return table;
  }

  void add_single_byte(const SingleByteTable& from) {
    ByteTable table = ascii_and_controls();
    std::size_t start = table.size() - from.high.size();
    for (std::size_t i = 0; i < from.high.size(); ++i)
      table[start + i] = from.high[i] == kNoCharacter ? Utf8Character{} : encode(from.high[i]);
    add(from.charset, true, table);
  }

  // The only one whose lower half is not ASCII; it has no upper half.
  void add_swe7() {
    ByteTable table = ascii_and_controls();
    std::fill(table.begin() + 0x7F, table.end(), Utf8Character{});
    constexpr std::string_view kBytes = "@[\\]^`{|}~";
    constexpr std::u16string_view kCharacters = u"ÉÄÖÅÜéäöåü";
    for (std::size_t i = 0; i < kBytes.size(); ++i) table[static_cast<std::size_t>(kBytes[i])] = encode(kCharacters[i]);
    add("swe7", false, table);
  }

  std::vector<Charset> charsets_;
  std::vector<ByteTable> tables_;
};

const Registry& registry() {
  static const Registry all;
  return all;
}

std::string_view charset_name(std::uint32_t collation) {
  // MariaDB: blocks of 256 for the uca1400 collations; and, 1024 above each older collation, its form without padding.
  constexpr std::string_view kUca1400[] = {"utf8mb3", "utf8mb4", "ucs2", "utf16", "utf32"};
  if (collation >= 2048) return (collation - 2048) / 256 < 5 ? kUca1400[(collation - 2048) / 256] : std::string_view{};
  collation %= 1024;
  for (const CollationRange& range : collation_ranges())
    if (collation >= range.first && collation <= range.last) return range.charset;
  return {};
}

// nullptr: the machine has no such conversion.
void* open_iconv(const Charset& charset) {
  void* handle = ::iconv_open("UTF-8", multi_bytes()[charset.index].iconv_name);
  return handle == reinterpret_cast<iconv_t>(-1) ? nullptr : handle;
}

unsigned byte_at(std::string_view bytes, std::size_t at) {
  return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0;
}

std::uint32_t big_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

// Characters that iconv does not know as the servers do; 0: ask iconv.
std::uint32_t without_iconv(const MultiByte& charset, std::uint32_t code) {
  auto patch = std::ranges::lower_bound(charset.patches, code, {}, &Patch::code);
  if (patch != charset.patches.end() && patch->code == code) return patch->character;
  unsigned row = code >> 8 & 0xFF, cell = code & 0xFF;
  if (charset.charset == "big5" && code >= 0xC6A1 && code <= 0xC7FC && (within(cell, 0x40, 0x7E) || cell >= 0xA1)) {
    // A row has 63 cells from 0x40 on and 94 from 0xA1 on; row 0xC6 is the servers' own from 0xA1 on only.
    std::size_t index = cell - 0xA1;
    if (row == 0xC7) index = cell < 0xA1 ? 94 + cell - 0x40 : 94 + 63 + cell - 0xA1;
    if (index < big5_extension().size()) return big5_extension()[index];
  }
  // Rows for the user's own characters.
  if (charset.charset == "ujis" && row >= 0xF5 && within(cell, 0xA1, 0xFE))
    return (code > 0xFFFF ? 0xE3ACU : 0xE000U) + (row - 0xF5) * 94 + cell - 0xA1;
  return 0;
}

}  // namespace

const Charset* charset_of(std::uint32_t collation) { return registry().find(charset_name(collation)); }

bool is_convertible(const Charset& charset) {
  if (charset.form != Form::multi_byte) return true;
  void* handle = open_iconv(charset);
  if (handle != nullptr) ::iconv_close(handle);
  return handle != nullptr;
}

TextConverter::~TextConverter() {
  for (void* handle : iconv_)
    if (handle != nullptr) ::iconv_close(handle);
}

bool TextConverter::convert(const Charset& charset, Pages& pages, std::string_view& text) {
  switch (charset.form) {
    case Form::ascii: return false;
    case Form::binary:
    case Form::utf8: return is_utf8(text);
    case Form::single_byte: return single_byte(charset, pages, text);
    default: break;
  }
  out_.clear();
  if (!(charset.form == Form::multi_byte ? multi_byte(charset, text) : wide(charset, text))) return false;
  text = pages.copy(out_);
  return true;
}

bool TextConverter::single_byte(const Charset& charset, Pages& pages, std::string_view& text) {
  const ByteTable& table = registry().table(charset);
  std::size_t size = 0;
  bool whole = true;
  for (char c : text) {
    std::size_t length = table[static_cast<unsigned char>(c)].size;
    whole = whole && length != 0;
    size += length;
  }
  if (!whole) return false;
  char* to = reinterpret_cast<char*>(pages.allocate(size, 1));
  std::string_view result(to, size);
  for (char c : text) {
    const Utf8Character& character = table[static_cast<unsigned char>(c)];
    for (std::size_t i = 0; i < character.size; ++i) *to++ = character.bytes[i];
  }
  text = result;
  return true;
}

bool TextConverter::multi_byte(const Charset& charset, std::string_view bytes) {
  const MultiByte& multi = multi_bytes()[charset.index];
  for (std::size_t at = 0; at < bytes.size();) {
    unsigned first = byte_at(bytes, at);
    if (first < 0x80) {
      out_ += bytes[at++];
      continue;
    }
    std::size_t length = multi.length(first, byte_at(bytes, at + 1));
    if (length == 0 || length > bytes.size() - at) return false;
    std::string_view character = bytes.substr(at, length);
    std::uint32_t known = without_iconv(multi, big_endian(character));
    if (!(known != 0 ? append(known) : through_iconv(charset, character))) return false;
    at += length;
  }
  return true;
}

bool TextConverter::through_iconv(const Charset& charset, std::string_view character) {
  void*& handle = iconv_[charset.index];
  if (handle == nullptr) handle = open_iconv(charset);
  if (handle == nullptr) return false;
  char buffer[16];
  char* from = const_cast<char*>(character.data());  // iconv only reads it
  char* to = buffer;
  std::size_t from_left = character.size(), to_left = sizeof buffer;
  std::size_t irreversible = ::iconv(handle, &from, &from_left, &to, &to_left);
  if (irreversible == 0) irreversible = ::iconv(handle, nullptr, nullptr, &to, &to_left);
  if (irreversible != 0 || from_left != 0) {
    ::iconv(handle, nullptr, nullptr, nullptr, nullptr);
    return false;
  }
  out_.append(buffer, to);
  return to != buffer;
}

// The Unicode forms of two and four bytes.
bool TextConverter::wide(const Charset& charset, std::string_view bytes) {
  const std::size_t unit = charset.form == Form::utf32 ? 4 : 2;
  auto read = [&](std::size_t at) {
    std::uint32_t value = big_endian(bytes.substr(at, unit));
    return charset.form == Form::utf16le ? (value >> 8 | (value & 0xFF) << 8) : value;
  };
  if (bytes.size() % unit != 0) return false;
  for (std::size_t at = 0; at < bytes.size(); at += unit) {
    std::uint32_t point = read(at);
    bool paired = charset.form == Form::utf16 || charset.form == Form::utf16le;
    if (paired && within(point, 0xD800, 0xDBFF) && at + unit < bytes.size()) {
      std::uint32_t low = read(at + unit);
      if (!within(low, 0xDC00, 0xDFFF)) return false;
      point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
      at += unit;
    }
    if (!append(point)) return false;
  }
  return true;
}

bool TextConverter::append(std::uint32_t point) {
  if (point > 0x10FFFF || within(point, 0xD800, 0xDFFF)) return false;
  if (point < 0x10000) {
    Utf8Character character = encode(static_cast<char16_t>(point));
    out_.append(character.bytes, character.size);
    return true;
  }
  for (unsigned shift : {18U, 12U, 6U, 0U})
    out_ += static_cast<char>(shift == 18 ? 0xF0 | point >> 18 : 0x80 | (point >> shift & 0x3F));
  return true;
}

}  // namespace deltaforge::sources::mysql
