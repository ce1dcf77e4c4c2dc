// MariaDB's global transaction ids. Each domain is a sequence of its own, so a position is one id for each domain; the
// server that wrote it changes with a failover and orders nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace deltaforge::sources::mysql {

struct MariadbGtid {
  std::uint32_t domain = 0, server = 0;
  std::uint64_t sequence = 0;
  bool operator==(const MariadbGtid&) const = default;
};

std::string to_string(const MariadbGtid&);  // "0-1-100"

class MariadbGtidPos {
 public:
  // Has everything of the id's domain up to its sequence.
  bool covers(const MariadbGtid&) const;
  // False when it was covered. Allocates for a new domain only.
  bool add(const MariadbGtid&);
  // What both have; a domain that one lacks is left out. Same sequence by two servers: `other`'s id.
  void meet(const MariadbGtidPos& other);
  bool empty() const { return ids_.empty(); }
  const std::vector<MariadbGtid>& ids() const { return ids_; }  // ascending by domain
  bool operator==(const MariadbGtidPos&) const = default;

  // "0-1-100,1-2-7" in any order, with blanks between. A domain named twice is a failure, as on the server.
  static Result<MariadbGtidPos> parse(std::string_view text);

 private:
  const MariadbGtid* find(std::uint32_t domain) const;

  std::vector<MariadbGtid> ids_;
};

std::string to_string(const MariadbGtidPos&);  // ascending by domain

}  // namespace deltaforge::sources::mysql
