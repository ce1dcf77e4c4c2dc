// The members of one flat object, in the order in which their names first came, with one value a name. Reused from
// image to image: it allocates nothing once it has grown. Transform thread only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/slab.h"
#include "core/value.h"

namespace deltaforge::processors::flatten {

class Members {
 public:
  static constexpr std::size_t kMostNames = 64 << 20;  // bytes

  void clear();
  // More names than that: further ones were left out.
  bool too_large() const { return too_large_; }
  // A member whose name no other one gets. `text` is `"name":` with JsonWriter::kPadding readable bytes behind it; it
  // must live until the object is written.
  void add(std::string_view text, const Value& value);
  // `name` is what stands between the quotes in JSON; it is copied, the value is not. Of an equal name the old value
  // stays unless `replace`. False: there was one.
  bool put(std::string_view name, const Value& value, bool replace);
  // The object. False: a value is not UTF-8.
  bool write(Slab& out);

 private:
  static constexpr std::string_view kBegin = "\"", kEnd = "\":";  // of a name

  struct Member {
    const char* text;  // null: in names_, and found by its hash
    std::size_t at, size;
    std::uint64_t hash;
    Value value;
  };

  std::string_view text_of(const Member& member) const {
    return {member.text != nullptr ? member.text : names_.data() + member.at, member.size};
  }
  std::string_view name_of(const Member& member) const {
    return text_of(member).substr(kBegin.size(), member.size - kBegin.size() - kEnd.size());
  }
  bool fits(std::size_t name_size);
  std::uint32_t& slot(std::uint64_t hash, std::string_view name);
  void grow();

  std::vector<Member> members_;
  std::size_t hashed_ = 0;      // so many of them are in slots_
  std::size_t names_size_ = 0;  // of all names
  bool too_large_ = false;
  std::string names_;                                                  // as they are written, one after the other
  std::vector<std::uint32_t> slots_ = std::vector<std::uint32_t>(64);  // a hash table of indexes + 1
};

}  // namespace deltaforge::processors::flatten
