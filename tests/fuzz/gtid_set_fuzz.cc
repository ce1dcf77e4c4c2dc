// Sets of global transaction ids, as text, as bytes, and MariaDB's.
//
//   what u8 | two sets, as text with a line feed between them, or one as bytes
//
// Must hold: text and bytes read back as the same set; the algebra is that of sets.
#include "fuzz.h"
#include "sources/mysql/gtid_set.h"
#include "sources/mysql/mariadb_gtid.h"

namespace {

using namespace deltaforge;
using namespace deltaforge::sources::mysql;
using fuzz::require;

void round_trips(const GtidSet& set) {
  auto text = GtidSet::parse(to_string(set));
  require(text && *text == set, "a set reads back from its text:", to_string(set));
  auto bytes = GtidSet::decode(set.encode());
  require(bytes && *bytes == set, "a set reads back from its bytes:", to_string(set));
}

void algebra(const GtidSet& a, const GtidSet& b) {
  GtidSet both = a, common = a, rest = a;
  both.unite(b);
  common.intersect(b);
  rest.subtract(b);
  require(both.includes(a) && both.includes(b), "a union has both");
  require(a.includes(common) && b.includes(common), "an intersection lies in both");
  require(a.includes(rest), "a difference lies in the first");
  GtidSet again = rest;
  again.unite(common);
  require(again == a, "what was taken away and what was kept make the set again");
  rest.intersect(b);
  require(rest.empty(), "what was taken away is gone");
  if (b.includes(a)) require(both == b && common == a, "a part adds nothing");
  for (const auto& part : both.parts()) {
    require(both.contains(part.sid, part.intervals.front().begin), "the first number is in it");
    require(!part.intervals.empty(), "no part is empty");
    round_trips(both);
  }
}

void mariadb(const std::string& first, const std::string& second) {
  auto a = MariadbGtidPos::parse(first);
  auto b = MariadbGtidPos::parse(second);
  if (!a || !b) return;
  auto again = MariadbGtidPos::parse(to_string(*a));
  require(again && *again == *a, "a position reads back from its text:", to_string(*a));
  MariadbGtidPos common = *a;
  common.meet(*b);
  for (const MariadbGtid& id : common.ids()) require(a->covers(id) && b->covers(id), "a meet lies in both");
  for (const MariadbGtid& id : a->ids()) {
    MariadbGtidPos grown = *b;
    grown.add(id);
    require(grown.covers(id), "what was added is covered");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in(data, size);
  const unsigned what = in.byte() % 3;
  if (what == 0) {
    if (auto set = GtidSet::decode(in.rest())) round_trips(*set);
    return 0;
  }
  const std::string first = in.line(), second = in.text();
  if (what == 1) {
    mariadb(first, second);
    return 0;
  }
  auto a = GtidSet::parse(first);
  auto b = GtidSet::parse(second);
  if (!a || !b) return 0;
  round_trips(*a);
  algebra(*a, *b);
  return 0;
}
