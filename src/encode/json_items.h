// Walks over the items of a JSON list, or the members of a JSON object, in text that is known to be valid (in other
// text it ends early). No tree, no heap.
#pragma once

#include <cstddef>
#include <string_view>

namespace deltaforge::encode {

// How much of `json` the value takes that it begins with. More than its size: that value does not end.
std::size_t json_size(std::string_view json);

class JsonItems {
 public:
  // Of what is no list: nothing.
  explicit JsonItems(std::string_view list);
  // The text of the next item. False: there is none.
  bool next(std::string_view& item);
  // The same for who walks over that item anyway: `rest` begins with it, passed() says how much of it was the item.
  bool begin(std::string_view& rest);
  void passed(std::size_t size);
  // How much of the text the list took, once there is no further item.
  std::size_t size() const { return at_ + 1; }

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
  // As of JsonItems.
  bool begin(std::string_view& name, std::string_view& rest);
  void passed(std::size_t size);
  std::size_t size() const { return at_ + 1; }

 private:
  std::string_view json_;
  std::size_t at_;
};

}  // namespace deltaforge::encode
