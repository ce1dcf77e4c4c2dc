// Where in the log the reader stands: a file, and a 64-bit offset in it. Header fields hold the offset modulo 2^32, or
// 0 where the server does not say (MariaDB 11.4 inside transactions), so it is counted by sizes.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "sources/mysql/event_header.h"

namespace deltaforge::sources::mysql {

class Place {
 public:
  // A ROTATE event says which file comes, and where in it.
  void enter(std::string file, std::uint64_t offset) {
    file_ = std::move(file);
    start_ = end_ = offset;
  }
  // An event of the file itself.
  void pass(const EventHeader& header) {
    std::uint64_t end = end_ + header.size;
    if (header.log_pos != 0) {
      // The server may have left out transactions that we have: then the offset jumps ahead.
      std::uint64_t said = (end & ~std::uint64_t{0xFFFF'FFFF}) | header.log_pos;
      if (said < end) said += std::uint64_t{1} << 32;
      end = said;
    }
    start_ = end - header.size;
    end_ = end;
  }

  const std::string& file() const { return file_; }
  std::uint64_t start() const { return start_; }  // of the last event
  std::uint64_t end() const { return end_; }

 private:
  std::string file_;
  std::uint64_t start_ = 0, end_ = 0;
};

}  // namespace deltaforge::sources::mysql
