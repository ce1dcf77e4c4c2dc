#include "sources/postgres/rows.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/utf8.h"
#include "sources/postgres/text.h"

namespace deltaforge::sources::postgres {
namespace {

enum class Old { none, key, whole };

class RowReader {
 public:
  RowReader(std::span<std::byte> message, const Relation& relation, bool utf8_unchecked, Scratch& scratch)
      : in_(message), relation_(relation), utf8_unchecked_(utf8_unchecked), scratch_(scratch) {}

  Result<Row> read() {
    Row row;
    char type = static_cast<char>(in_.u8());
    in_.u32();  // the relation
    char part = static_cast<char>(in_.u8());
    bool good = false;
    switch (type) {
      case 'I':
        row.op = Op::create;
        good = part == 'N' && tuple(Old::none, row.after);
        break;
      case 'U':
        row.op = Op::update;
        good = update(part, row);
        break;
      case 'D':
        row.op = Op::remove;
        good = old_tuple(part, row.before);
        break;
      default: break;
    }
    if (!good) return failure(part);
    if (in_.left() != 0) return DecodeFailure{"row message has bytes left over", in_.offset()};
    return row;
  }

 private:
  bool update(char part, Row& row) {
    if (part == 'K' || part == 'O') {
      if (!old_tuple(part, row.before)) return false;
      old_ = part == 'O' ? Old::whole : Old::key;
      part = static_cast<char>(in_.u8());
    }
    if (part != 'N' || !tuple(Old::none, row.after)) return false;
    if (old_ != Old::none) fill_unchanged(row);
    // The server sends an old key also when it merely does not repeat a large one.
    if (old_ == Old::key && key_is_the_same(row)) row.before = {};
    return true;
  }

  bool old_tuple(char part, Image& image) {
    return part == 'K' ? tuple(Old::key, image) : part == 'O' && tuple(Old::whole, image);
  }

  // The old row, or its key, holds large values that the new one does not repeat.
  void fill_unchanged(const Row& row) {
    for (std::size_t i = 0; i < row.after.values.size(); ++i)
      if (row.after.values[i].kind() == Kind::unchanged && row.before.values[i].kind() != Kind::absent)
        writable_[i] = row.before.values[i];
  }

  bool key_is_the_same(const Row& row) const {
    for (std::size_t i = 0; i < row.after.values.size(); ++i)
      if (relation_.columns[i].in_identity && row.before.values[i] != row.after.values[i]) return false;
    return true;
  }

  bool tuple(Old old, Image& image) {
    std::size_t count = in_.u16();
    if (count != relation_.columns.size()) {
      why_ = "the row has " + std::to_string(count) + " columns, its relation has " +
             std::to_string(relation_.columns.size());
      return false;
    }
    writable_ = scratch_.pages->array<Value>(count);
    for (std::size_t i = 0; i < count; ++i) {
      Value value;
      if (!column(i, value)) return false;
      // A key-only tuple says "null" of every column outside the key: that is no value.
      writable_[i] = old == Old::key && !relation_.columns[i].in_identity ? Value::absent() : value;
    }
    image = {writable_, true};
    return true;
  }

  bool column(std::size_t index, Value& value) {
    switch (static_cast<char>(in_.u8())) {
      case 'n': return true;
      case 'u': value = Value::unchanged(); return true;
      case 't': break;
      default: return column_failure(index, "an unknown kind of column value");
    }
    std::string_view sent = in_.text(in_.u32());
    if (!in_.ok()) return false;
    // The message is ours to rewrite (rows.h); the reader only lends read-only views.
    std::span<char> text(const_cast<char*>(sent.data()), sent.size());
    if (utf8_unchecked_ && !is_utf8(sent)) return column_failure(index, "bytes that are not UTF-8");
    const Type& type = *relation_.columns[index].type;
    return type.decode(type, text, scratch_, value) || column_failure(index, "not the text form of its type");
  }

  // Never the value itself: it is a user's data.
  bool column_failure(std::size_t index, const char* what) {
    const Column& column = relation_.schema->columns[index];
    why_ = "column \"" + column.name + "\" of type " + column.type + ": " + what;
    return false;
  }

  DecodeFailure failure(char part) {
    if (!why_.empty()) return {why_, in_.offset()};
    if (!in_.ok()) return {"row message ends early", in_.offset()};
    return {std::string("row message with an unknown part '") + part + "'", in_.offset()};
  }

  ByteReader in_;
  const Relation& relation_;
  bool utf8_unchecked_;
  Scratch& scratch_;
  Old old_ = Old::none;
  std::span<Value> writable_;  // of the tuple read last
  std::string why_;
};

}  // namespace

Result<Row> read_row(std::span<std::byte> message, const Relation& relation, bool utf8_unchecked, Scratch& scratch) {
  scratch.items.clear();
  return RowReader(message, relation, utf8_unchecked, scratch).read();
}

}  // namespace deltaforge::sources::postgres
