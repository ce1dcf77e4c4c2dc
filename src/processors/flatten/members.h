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
  // `name` is what stands between the quotes in JSON; it is copied, the value is not. Of an equal name the old value
  // stays unless `replace`. False: there was one.
  bool put(std::string_view name, const Value& value, bool replace);
  // The object. False: a value is not UTF-8.
  bool write(Slab& out) const;

 private:
  struct Member {
    std::uint64_t hash;
    std::size_t name_at, name_size;
    Value value;
  };

  std::string_view name_of(const Member& member) const { return {names_.data() + member.name_at, member.name_size}; }
  std::uint32_t& slot(std::uint64_t hash, std::string_view name);
  void grow();

  std::vector<Member> members_;
  bool too_large_ = false;
  std::string names_;                                                  // one after the other
  std::vector<std::uint32_t> slots_ = std::vector<std::uint32_t>(64);  // a hash table of indexes + 1
};

}  // namespace deltaforge::processors::flatten
