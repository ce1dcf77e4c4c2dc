// Walks over the items of a JSON list, or the members of a JSON object, in text that is known to be valid (in other
// text it ends early). No tree, no heap.
#pragma once

#include <cstddef>
#include <string_view>

namespace deltaforge::encode {

class JsonItems {
 public:
  // Of what is no list: nothing.
  explicit JsonItems(std::string_view list);
  // The text of the next item. False: there is none.
  bool next(std::string_view& item);

 private:
  std::string_view json_;
  std::size_t at_;
};

class JsonMembers {
 public:
  // Of what is no object: nothing.
  explicit JsonMembers(std::string_view object);
  // The name as it is written, without its quotes, and the text of the value. False: there is none.
  bool next(std::string_view& name, std::string_view& value);

 private:
  std::string_view json_;
  std::size_t at_;
};

}  // namespace deltaforge::encode
