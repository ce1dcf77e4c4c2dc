#include "sources/mysql/gtid_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

namespace deltaforge::sources::mysql {
namespace {

using ::testing::HasSubstr;

constexpr const char* kA = "00112233-4455-6677-8899-aabbccddeeff";
constexpr const char* kB = "fdc7aaaa-0000-4000-8000-000000000001";

GtidSet set(std::string_view text) {
  auto parsed = GtidSet::parse(text);
  if (!parsed) ADD_FAILURE() << text << ": " << parsed.failure().what << " at " << parsed.failure().offset;
  return parsed ? *parsed : GtidSet();
}
std::string print(std::string_view text) { return to_string(set(text)); }
std::string a(std::string_view tail) { return std::string(kA) + ":" + std::string(tail); }
std::string b(std::string_view tail) { return std::string(kB) + ":" + std::string(tail); }
Sid sid(std::string_view text) { return set(std::string(text) + ":1").parts().at(0).sid; }

std::string hex(const std::vector<std::byte>& bytes) {
  std::string text;
  for (std::byte byte : bytes) text += "0123456789abcdef"[int(byte) >> 4], text += "0123456789abcdef"[int(byte) & 15];
  return text;
}
std::vector<std::byte> bytes(std::string_view hex) {
  std::vector<std::byte> result;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    result.push_back(static_cast<std::byte>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  return result;
}

TEST(Sid, KeepsItsKeyAndText) {
  const Sid plain = sid(kA), tagged = sid(a("hctag"));
  EXPECT_EQ(to_string(plain), kA);
  EXPECT_EQ(to_string(tagged), a("hctag"));
  EXPECT_EQ(plain.key().size(), 16u);
  EXPECT_EQ(tagged.key().size(), 21u);
  EXPECT_EQ(Sid::from_key(plain.key()), plain);
  EXPECT_EQ(Sid::from_key(tagged.key()), tagged);
  const std::string longest(32, 'x');
  EXPECT_EQ(to_string(Sid::from_key(sid(a(longest)).key())), a(longest));
  EXPECT_LT(plain, tagged);
  EXPECT_LT(sid(a("ab")), sid(a("b")));
  EXPECT_LT(sid(a("b")), sid(a("b2")));
  EXPECT_LT(sid(a("zz")), sid(kB));
}

TEST(Sid, RefusesWrongWireForms) {
  const std::vector<std::byte> uuid(16), brief(15);
  EXPECT_TRUE(Sid::of(uuid));
  EXPECT_TRUE(Sid::of(uuid, "_a9"));
  EXPECT_FALSE(Sid::of(brief));
  for (std::string bad : {"9a", "A", "a-b", "a b", "\xC3\xA4"}) EXPECT_FALSE(Sid::of(uuid, bad)) << bad;
  EXPECT_FALSE(Sid::of(uuid, std::string(33, 'a')));
}

TEST(GtidSet, PrintsAsTheServerDoes) {
  EXPECT_EQ(print(""), "");
  EXPECT_EQ(print(a("1")), a("1"));
  EXPECT_EQ(print(a("1-5:8")), a("1-5:8"));
  EXPECT_EQ(print(a("1-5:8:tag:1-3:7")), a("1-5:8:tag:1-3:7"));
  EXPECT_EQ(print(b("7") + "," + a("zz:1:aa:2")), a("aa:2:zz:1") + "," + b("7"));
  EXPECT_EQ(print(a("8:1-3:4-5:2")), a("1-5:8"));
  EXPECT_EQ(print("FDC7AAAA-0000-4000-8000-000000000001:TAG:1"), b("tag:1"));
  EXPECT_EQ(print(" " + a(" 1 - 2 : tag : 3 ") + " ,\n" + b("4") + " \r\n"), a("1-2:tag:3") + "," + b("4"));
  EXPECT_EQ(print("," + a("1") + ",,"), a("1"));
  EXPECT_EQ(print(a("1-2") + "," + b("1") + "," + a("3")), a("1-3") + "," + b("1"));
  EXPECT_EQ(print(a("9223372036854775806")), a("9223372036854775806"));
}

TEST(GtidSet, RefusesMalformedText) {
  struct Case {
    std::string text;
    std::size_t offset;
  };
  for (const auto& [text, offset] : std::vector<Case>{
           {"x", 0},
           {kA, 36},
           {a(""), 37},
           {a("0"), 37},
           {a("-1"), 37},
           {a("1-"), 37},
           {a("5-3"), 37},
           {a("1-2-3"), 40},
           {a("1:"), 39},
           {a("1::2"), 39},
           {a("1;2"), 38},
           {a("1x"), 38},
           {a("9223372036854775807"), 37},
           {a("99999999999999999999"), 37},
           {a("tag"), 40},
           {a("tag:"), 41},
           {a("tag:other:1"), 41},
           {a("1:tag"), 42},
           {a(std::string(33, 'a') + ":1"), 37},
           {a("t\xC3\xA4g:1"), 38},
           {a("1") + " " + b("1"), 39},
           {"00112233445566778899aabbccddeeff:1", 0},
           {"0-1-100", 0},
           {std::string(kA).replace(0, 1, "+") + ":1", 0},
           {std::string(kA).replace(8, 1, "0") + ":1", 0},
           {a("1") + ",x", 39},
       }) {
    auto parsed = GtidSet::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.failure().offset, offset) << text << ": " << parsed.failure().what;
    EXPECT_THAT(parsed.failure().what, HasSubstr("expected"));
  }
}

TEST(GtidSet, AddKeepsEveryGap) {
  GtidSet s;
  EXPECT_TRUE(s.add(sid(kA), 100));
  EXPECT_FALSE(s.add(sid(kA), 100));
  EXPECT_TRUE(s.add(sid(kA), 98));
  EXPECT_EQ(to_string(s), a("98:100"));
  EXPECT_TRUE(s.add(sid(kA), 99));
  EXPECT_EQ(to_string(s), a("98-100"));
  EXPECT_TRUE(s.add(sid(a("t")), 5));
  EXPECT_TRUE(s.add(sid(kA), 1));
  EXPECT_TRUE(s.add(sid(kA), 97));
  EXPECT_EQ(to_string(s), a("1:97-100:t:5"));
  EXPECT_TRUE(s.contains(sid(kA), 97));
  EXPECT_FALSE(s.contains(sid(kA), 5));
  EXPECT_FALSE(s.contains(sid(kB), 97));
  EXPECT_TRUE(s.contains(sid(a("t")), 5));
}

TEST(GtidSet, NumbersOutOfBoundsAreNotTransactions) {
  GtidSet s;
  for (std::uint64_t number : {std::uint64_t{0}, GtidSet::kMaxNumber + 1, ~std::uint64_t{0}}) {
    EXPECT_FALSE(s.add(sid(kA), number));
    EXPECT_TRUE(s.empty());
  }
  EXPECT_TRUE(s.add(sid(kA), GtidSet::kMaxNumber));
  for (std::uint64_t number : {std::uint64_t{0}, GtidSet::kMaxNumber + 1, ~std::uint64_t{0}})
    EXPECT_FALSE(s.contains(sid(kA), number));
}

// ---- Algebra against the plainest model -----------------------------------------------------------------------------

using Model = std::set<std::pair<Sid, std::uint64_t>>;

const std::vector<Sid>& sids() {
  static const std::vector<Sid> all{sid(kA), sid(a("blue")), sid(a("red")), sid(kB), sid(b("blue"))};
  return all;
}

Model model(const GtidSet& s) {
  Model result;
  for (const GtidSet::Part& part : s.parts())
    for (const GtidInterval& interval : part.intervals)
      for (std::uint64_t n = interval.begin; n < interval.end; ++n) result.emplace(part.sid, n);
  return result;
}

void expect_canonical(const GtidSet& s) {
  for (std::size_t i = 0; i < s.parts().size(); ++i) {
    const GtidIntervals& intervals = s.parts()[i].intervals;
    ASSERT_TRUE(i == 0 || s.parts()[i - 1].sid < s.parts()[i].sid);
    ASSERT_FALSE(intervals.empty());
    for (std::size_t k = 0; k < intervals.size(); ++k) {
      ASSERT_LT(intervals[k].begin, intervals[k].end);
      ASSERT_TRUE(k == 0 || intervals[k - 1].end < intervals[k].begin);
    }
  }
}

struct Pair {
  GtidSet set;
  Model model;
};

Pair random_pair(std::mt19937_64& random) {
  Pair result;
  const std::size_t servers = random() % (sids().size() + 1), numbers = 1 + random() % 40;
  for (std::size_t n = random() % 60; n > 0 && servers > 0; --n) {
    const Sid& who = sids()[random() % servers];
    const std::uint64_t number = 1 + random() % numbers;
    const bool fresh = result.model.emplace(who, number).second;
    EXPECT_EQ(result.set.add(who, number), fresh);
  }
  return result;
}

void expect_same(const GtidSet& s, const Model& m) {
  expect_canonical(s);
  EXPECT_EQ(model(s), m);
  EXPECT_EQ(s.empty(), m.empty());
  EXPECT_EQ(set(to_string(s)), s);
  auto decoded = GtidSet::decode(s.encode());
  ASSERT_TRUE(decoded) << decoded.failure().what;
  EXPECT_EQ(*decoded, s);
}

void check_algebra(const Pair& x, const Pair& y) {
  Model all = x.model, both, rest;
  all.insert(y.model.begin(), y.model.end());
  for (const auto& id : x.model) (y.model.contains(id) ? both : rest).insert(id);
  GtidSet united = x.set, common = x.set, less = x.set;
  united.unite(y.set);
  common.intersect(y.set);
  less.subtract(y.set);
  expect_same(united, all);
  expect_same(common, both);
  expect_same(less, rest);
  EXPECT_EQ(x.set.includes(y.set), all == x.model);
  EXPECT_EQ(x.set == y.set, x.model == y.model);
  EXPECT_TRUE(united.includes(x.set) && united.includes(y.set) && x.set.includes(common) && x.set.includes(less));
  // Sets that came out of an operation can be added to (their hint of the last place is stale).
  for (GtidSet* s : {&united, &common, &less})
    for (const Sid& who : sids()) {
      const bool fresh = !s->contains(who, 7);
      EXPECT_EQ(s->add(who, 7), fresh);
      EXPECT_TRUE(s->contains(who, 7));
      expect_canonical(*s);
    }
}

TEST(GtidSet, AgreesWithAPlainSet) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 300 && !::testing::Test::HasFailure(); ++round) {
    const Pair x = random_pair(random), y = random_pair(random);
    expect_same(x.set, x.model);
    for (const Sid& who : sids())
      for (std::uint64_t n = 0; n < 43; ++n) ASSERT_EQ(x.set.contains(who, n), x.model.contains({who, n}));
    check_algebra(x, y);
  }
}

TEST(GtidSet, OperationsWithItselfHold) {
  GtidSet s = set(a("1-5:8") + "," + b("t:1"));
  s.unite(s);
  EXPECT_EQ(to_string(s), a("1-5:8") + "," + b("t:1"));
  s.intersect(s);
  EXPECT_EQ(to_string(s), a("1-5:8") + "," + b("t:1"));
  s.subtract(s);
  EXPECT_TRUE(s.empty());
}

// ---- The wire -------------------------------------------------------------------------------------------------------

TEST(GtidSet, EncodesBothForms) {
  EXPECT_EQ(hex(GtidSet().encode()), "0000000000000000");
  EXPECT_EQ(hex(set(a("1-5:8")).encode()),
            "0100000000000000"
            "00112233445566778899aabbccddeeff"
            "0200000000000000"
            "01000000000000000600000000000000"
            "08000000000000000900000000000000");
  EXPECT_EQ(hex(set(a("8:foo:1-2")).encode()),
            "0102000000000001"
            "00112233445566778899aabbccddeeff"
            "00"
            "0100000000000000"
            "08000000000000000900000000000000"
            "00112233445566778899aabbccddeeff"
            "06666f6f"
            "0100000000000000"
            "01000000000000000300000000000000");
}

// Bodies of PREVIOUS_GTIDS events that MySQL 9.7.4 wrote, and its @@gtid_executed at that moment.
TEST(GtidSet, ReadsWhatTheServerWrote) {
  struct Case {
    std::string body, text;
  };
  for (const auto& [body, text] : std::vector<Case>{
           {"0200000000000000"
            "00112233445566778899aabbccddeeff0200000000000000"
            "0700000000000000080000000000000064000000000000006500000000000000"
            "4411859ee93611f19e1e02fc00000001010000000000000001000000000000000400000000000000",
            a("7:100") + ",4411859e-e936-11f1-9e1e-02fc00000001:1-3"},
           {"0105000000000001"
            "00112233445566778899aabbccddeeff000200000000000000"
            "0600000000000000080000000000000064000000000000006500000000000000"
            "00112233445566778899aabbccddeeff06615f62010000000000000009000000000000000a00000000000000"
            "4411859ee93611f19e1e02fc0000000100010000000000000001000000000000000400000000000000"
            "4411859ee93611f19e1e02fc000000010a6863746167010000000000000001000000000000000300000000000000"
            "fdc7aaaa000040008000000000000001407a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a"
            "010000000000000005000000000000000600000000000000",
            a("6-7:100:a_b:9") + ",4411859e-e936-11f1-9e1e-02fc00000001:1-3:hctag:1-2," +
                b("zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz:5")}}) {
    auto decoded = GtidSet::decode(bytes(body));
    ASSERT_TRUE(decoded) << decoded.failure().what;
    EXPECT_EQ(to_string(*decoded), text);
    EXPECT_EQ(hex(set(text).encode()), body);
  }
}

TEST(GtidSet, RefusesMalformedBytes) {
  const std::string uuid = "00112233445566778899aabbccddeeff", one = "0100000000000000";
  const std::string plain = "0100000000000000" + uuid, tagged = "0101000000000001" + uuid;
  for (const std::string& bad : {
           std::string(),
           std::string("00"),
           one,
           plain,
           plain + one,
           plain + one + "0100000000000000",
           std::string("ffffffffffffff00"),
           std::string("ffffffffffffffff"),
           std::string("0001000000000001"),
           std::string("0100000000000002"),
           std::string("000000000000000000"),                 // bytes behind it
           plain + one + "00000000000000000100000000000000",  // begins with 0
           plain + one + "05000000000000000500000000000000",  // empty
           plain + one + "0500000000000000ffffffffffffffff",  // past the largest number
           plain + "0200000000000000" + "01000000000000000300000000000000" + "03000000000000000400000000000000",
           tagged,
           tagged + "02",
           tagged + "0261",
           tagged + "0361" + one + "01000000000000000200000000000000",
           tagged + "0241" + one + "01000000000000000200000000000000",  // upper case
           tagged + "44" + std::string(68, '6') + one + "01000000000000000200000000000000",
       })
    EXPECT_FALSE(GtidSet::decode(bytes(bad))) << bad;
}

TEST(GtidSet, AnyBytesEndWell) {
  std::mt19937_64 random(std::random_device{}());
  for (int round = 0; round < 3000; ++round) {
    auto body = set(a("1-5:8:foo:1-2") + "," + b("9")).encode();
    for (int flips = 0; flips < 3; ++flips) body[random() % body.size()] = static_cast<std::byte>(random());
    body.resize(random() % (body.size() + 1));
    if (auto decoded = GtidSet::decode(body)) expect_canonical(*decoded);
    std::string text = a("1-5:8:foo:1-2") + ",\n" + b("9");
    for (int flips = 0; flips < 2; ++flips) text[random() % text.size()] = "0129:-,abz_ \n\x80"[random() % 14];
    if (auto parsed = GtidSet::parse(text)) expect_canonical(*parsed);
  }
}

}  // namespace
}  // namespace deltaforge::sources::mysql
