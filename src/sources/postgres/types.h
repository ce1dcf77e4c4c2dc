// PostgreSQL types by OID, and how the text form of each becomes a Value. Source thread only.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/pages.h"
#include "core/value.h"

namespace deltaforge::sources::postgres {

struct Type;

// What decoders need besides the text. One object per source; nothing in it outlives a row except its capacity.
struct Scratch {
  Pages* pages = nullptr;
  std::vector<Value> items;  // of the arrays that are open just now
  std::string json;          // of the value that is being printed as JSON
};

// Makes a Value of one text form, which it may rewrite in place: the value points into it. False: this is not how
// PostgreSQL prints that type.
using Decode = bool (*)(const Type&, std::span<char> text, Scratch&, Value&);

struct Type {
  Decode decode;
  const Type* element = nullptr;  // of an array
  char delimiter = ',';           // between the elements of an array
};

// A row of pg_type, as far as it matters here.
struct TypeRow {
  std::uint32_t oid = 0;
  std::uint32_t base = 0;     // a domain's base type
  std::uint32_t element = 0;  // an array's element type
  char delimiter = ',';       // of the element type
  bool is_hstore = false;     // the type that the extension of this name brings
};

// Built-in types are known by heart; the others are learned from the catalogue, since their OIDs differ per database.
// A type that nobody knows is its text: never nothing.
class TypeTable {
 public:
  bool knows(std::uint32_t oid) const;
  const Type* get(std::uint32_t oid) const;
  // The rows of one lookup, base and element types included, in any order.
  void learn(std::span<const TypeRow>);

 private:
  const Type* learn(std::span<const TypeRow>, std::uint32_t oid, int depth);
  std::map<std::uint32_t, Type> learned_;  // a map: pointers to its elements stay valid
};

}  // namespace deltaforge::sources::postgres
