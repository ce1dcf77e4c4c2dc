// Commands for a Redis server (RESP2), written into a slab: no copy, no heap call.
#pragma once

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

#include "base/digits.h"
#include "base/slab.h"

namespace deltaforge::sinks::redis {

// "$5\r\nevent\r\n"
inline std::string bulk_text(std::string_view text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

// A bulk string that is written in place, its length ahead of it. Room is left for a length like `expected`; only
// when it has another count of digits, what was written is moved.
class Bulk {
 public:
  Bulk(Slab& out, std::size_t expected) : out_(out), at_(out.size()), head_(count_digits(expected) + 3) {
    out.room(head_);
    out.add(head_);
  }
  // Ends the string. Returns its length.
  std::size_t close() {
    const std::size_t size = out_.size() - at_ - head_, head = count_digits(size) + 3;
    if (head != head_) [[unlikely]] {
      out_.room(head);
      std::memmove(out_.data() + at_ + head, out_.data() + at_ + head_, size);
      out_.truncate(at_ + head + size);
    }
    char* to = out_.data() + at_;
    to[0] = '$';
    put_number(to + 1, std::uint64_t{size});
    std::memcpy(to + head - 2, "\r\n", 2);
    out_.append("\r\n");
    return size;
  }

 private:
  Slab& out_;
  const std::size_t at_, head_;
};

}  // namespace deltaforge::sinks::redis
