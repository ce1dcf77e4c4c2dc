// Sets of MySQL's global transaction ids, exactly: every gap is kept. A set never claims a transaction that nobody gave
// it.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"

namespace deltaforge::sources::mysql {

// Who numbers transactions: a server or group (uuid), since MySQL 8.3 with a tag. Ordered as the server prints them:
// by uuid, then untagged, then by tag.
struct Sid {
  static constexpr std::size_t kMaxTag = 32;

  std::array<std::uint8_t, 16> uuid{};
  std::array<char, kMaxTag> tag{};  // lower case, zeros behind it; untagged is all zeros

  // `uuid` as it is on the wire, 16 bytes. None when the sizes or the tag's characters are wrong.
  static std::optional<Sid> of(Bytes uuid, std::string_view tag = {});
  // 16 bytes and the tag: its name in a NameTable. from_key() takes only what key() gave.
  static Sid from_key(std::string_view key);
  std::string_view key() const;  // points into this

  std::string_view tag_text() const;
  std::strong_ordering operator<=>(const Sid& other) const { return std::memcmp(this, &other, sizeof other) <=> 0; }
  bool operator==(const Sid& other) const { return std::memcmp(this, &other, sizeof other) == 0; }
};

// `uuid` or `uuid:tag`; with ":" and the number behind it, the id of a transaction.
std::string to_string(const Sid&);

// Disjoint intervals that do not touch, ascending, none empty.
struct GtidInterval {
  std::uint64_t begin = 0, end = 0;  // half open
  bool operator==(const GtidInterval&) const = default;
};
using GtidIntervals = std::vector<GtidInterval>;

class GtidSet {
 public:
  static constexpr std::uint64_t kMaxNumber = 0x7FFF'FFFF'FFFF'FFFE;  // the server's own bounds: 1 to this

  struct Part {
    Sid sid;
    GtidIntervals intervals;  // never empty
    bool operator==(const Part&) const = default;
  };

  // False when it was there already (or the number is out of bounds). Does not allocate where it lengthens an interval.
  bool add(const Sid&, std::uint64_t number);
  bool contains(const Sid&, std::uint64_t number) const;
  bool includes(const GtidSet& other) const;  // every transaction of `other`
  void unite(const GtidSet& other);
  void subtract(const GtidSet& other);
  void intersect(const GtidSet& other);
  bool empty() const { return parts_.empty(); }
  const std::vector<Part>& parts() const { return parts_; }  // ascending by sid
  bool operator==(const GtidSet& other) const { return parts_ == other.parts_; }

  // "uuid:1-5:8:tag:1-3,uuid:7" in any order and case, with blanks and newlines between. "" is the empty set.
  static Result<GtidSet> parse(std::string_view text);
  // What COM_BINLOG_DUMP_GTID takes: the form without tags where there are none, so that older servers understand it.
  std::vector<std::byte> encode() const;
  // The same bytes, either form: the body of a PREVIOUS_GTIDS event without its checksum.
  static Result<GtidSet> decode(Bytes body);

 private:
  // From parts in any order, intervals in any order and overlapping.
  static GtidSet of(std::vector<Part> parts);
  const Part* find(const Sid&) const;
  Part& part(const Sid&);

  std::vector<Part> parts_;
  std::size_t last_ = 0;  // where add() was last: transactions of one server come in runs
};

// As the server prints @@gtid_executed, on one line: lower case, ascending, one entry for each uuid.
std::string to_string(const GtidSet&);

}  // namespace deltaforge::sources::mysql
