#include "sinks/stdout/pretty.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "base/utf8.h"

namespace deltaforge::sinks::stdout {
namespace {

constexpr std::size_t kLongest = 60;  // bytes of a value that are shown

struct Word {
  std::string_view text, colour;
};

Word word(Op op) {
  switch (op) {
    case Op::create: return {"INSERT", "\x1b[32m"};
    case Op::update: return {"UPDATE", "\x1b[33m"};
    case Op::remove: return {"DELETE", "\x1b[31m"};
    case Op::read: return {"READ", "\x1b[36m"};
    case Op::truncate: return {"TRUNCATE", "\x1b[35m"};
  }
  return {"?", ""};
}

// Cut at a whole character; nothing in it can move the cursor or end the line.
void show_text(std::string_view text, std::string& line) {
  const std::string_view shown = text.substr(0, kLongest);
  for (std::size_t at = 0; at < shown.size();) {
    const auto byte = static_cast<unsigned char>(shown[at]);
    std::size_t length = 1;
    while (byte >= 0x80 && at + length < text.size() && (text[at + length] & 0xC0) == 0x80 && length < 4) ++length;
    const std::string_view character = text.substr(at, length);
    at += length;
    // U+0080..U+009F are control characters too.
    const bool control = byte < 0x20 || byte == 0x7F || (byte == 0xC2 && length == 2 && (character[1] & 0xE0) == 0x80);
    if (!control && is_utf8(character)) {
      line += character;
    } else if (byte == '\n') {
      line += "\\n";
    } else if (byte == '\t') {
      line += "\\t";
    } else {
      for (char c : character) fmt::format_to(std::back_inserter(line), "\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  if (text.size() > kLongest) line += "…";
}

void show(const Value& value, std::string& line) {
  switch (value.kind()) {
    case Kind::null:
    case Kind::absent: line += "null"; return;
    case Kind::unchanged: line += "(unchanged)"; return;
    case Kind::bytes: fmt::format_to(std::back_inserter(line), "({} bytes)", value.as_text().size()); return;
    case Kind::boolean: line += value.as_bool() ? "true" : "false"; return;
    case Kind::int64: fmt::format_to(std::back_inserter(line), "{}", value.as_int64()); return;
    case Kind::uint64: fmt::format_to(std::back_inserter(line), "{}", value.as_uint64()); return;
    case Kind::float32: fmt::format_to(std::back_inserter(line), "{}", static_cast<float>(value.as_real())); return;
    case Kind::float64: fmt::format_to(std::back_inserter(line), "{}", value.as_real()); return;
    case Kind::array: {
      std::string items = "[";
      for (const Value& item : value.as_array()) {
        if (items.size() > 1) items += ", ";
        if (items.size() > kLongest) break;
        show(item, items);
      }
      items += ']';
      line += items;
      return;
    }
    default: show_text(value.as_text(), line);
  }
}

bool is_key(const TableSchema& schema, std::size_t column) {
  return std::find(schema.key.begin(), schema.key.end(), column) != schema.key.end();
}

void show_key(const TableSchema& schema, const Image& image, std::string& line) {
  if (!image.present || schema.key.empty()) return;
  line += ' ';
  for (std::size_t i = 0; i < schema.key.size(); ++i) {
    if (i > 0) line += ',';
    show(image.values[schema.key[i]], line);
  }
}

// All columns of an image but the key, which has been shown.
void show_columns(const TableSchema& schema, const Image& image, std::string& line) {
  std::string_view separator = "  ";
  for (std::size_t i = 0; image.present && i < image.values.size(); ++i) {
    const Value& value = image.values[i];
    if (value.kind() == Kind::absent || value.kind() == Kind::unchanged || is_key(schema, i)) continue;
    line += separator;
    show_text(schema.columns[i].name, line);
    line += ": ";
    show(value, line);
    separator = ", ";
  }
}

void show_changes(const Event& event, std::string& line) {
  if (!event.before.present) return show_columns(*event.schema, event.after, line);
  std::string_view separator = "  ";
  for (std::size_t i = 0; i < event.after.values.size(); ++i) {
    const Value& old_value = event.before.values[i];
    const Value& new_value = event.after.values[i];
    const Kind kind = new_value.kind();
    if (kind == Kind::absent || kind == Kind::unchanged || old_value == new_value) continue;
    line += separator;
    show_text(event.schema->columns[i].name, line);
    line += ": ";
    if (old_value.kind() != Kind::absent) {
      show(old_value, line);
      line += " -> ";
    }
    show(new_value, line);
    separator = ", ";
  }
}

}  // namespace

std::string_view PrettyEncoder::encode(const Batch& batch, const Event& event, Slab& out) {
  const Word op = word(event.op);
  constexpr std::int64_t kDayMs = 86'400'000;
  const std::int64_t ms = ((batch.commits()[event.commit].ts_us / 1000) % kDayMs + kDayMs) % kDayMs;
  line_.clear();
  fmt::format_to(std::back_inserter(line_), "{:02}:{:02}:{:02}.{:03} ", ms / 3'600'000, ms / 60'000 % 60,
                 ms / 1000 % 60, ms % 1000);
  if (colour_) line_ += op.colour;
  fmt::format_to(std::back_inserter(line_), "{:<8}", op.text);
  if (colour_) line_ += "\x1b[0m";
  line_ += ' ';
  show_text(event.schema->full_name, line_);
  show_key(*event.schema, event.after.present ? event.after : event.before, line_);
  if (event.op == Op::update)
    show_changes(event, line_);
  else
    show_columns(*event.schema, event.after.present ? event.after : event.before, line_);
  out.append(line_);
  return {};
}

}  // namespace deltaforge::sinks::stdout
