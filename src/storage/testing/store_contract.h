// What every Store promises. A store's test instantiates the suite with a class: default-constructed for each test, it
// has store(), and reopen(), which closes the store and opens what it left (a store without a disk may do nothing).
//
//   INSTANTIATE_TYPED_TEST_SUITE_P(Memory, StoreContract, MemorySetup);
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/store.h"

namespace deltaforge::storage::testing {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

template <class Storage>
class StoreContract : public ::testing::Test {
 protected:
  Store& store() { return setup_.store(); }
  void reopen() { setup_.reopen(); }
  void put(std::vector<Store::Entry> entries) { store().put(entries); }
  std::vector<std::string> peek(std::string_view key, std::size_t limit = 1000) {
    std::vector<std::string> values;
    for (auto& item : store().peek("q", key, limit)) values.push_back(item.value);
    return values;
  }
  std::vector<std::string> since(std::string_view key, std::uint64_t after = 0) {
    std::vector<std::string> values;
    for (auto& entry : store().since("l", key, after)) values.push_back(entry.value);
    return values;
  }

  Storage setup_;
};

TYPED_TEST_SUITE_P(StoreContract);

TYPED_TEST_P(StoreContract, KvKeepsTheLastValueOfEachKeyInItsNamespace) {
  EXPECT_EQ(this->store().get("ns", "k"), std::nullopt);
  this->put({{"ns", "k", "1"}, {"ns", "k2", "x"}, {"other", "k", "y"}});
  this->put({{"ns", "k", "2"}});
  EXPECT_EQ(this->store().get("ns", "k"), "2");
  EXPECT_EQ(this->store().get("ns", "k2"), "x");
  EXPECT_EQ(this->store().get("other", "k"), "y");
  EXPECT_TRUE(this->store().erase("ns", "k"));
  EXPECT_FALSE(this->store().erase("ns", "k"));
  EXPECT_EQ(this->store().get("ns", "k"), std::nullopt);
  EXPECT_EQ(this->store().get("other", "k"), "y");
}

TYPED_TEST_P(StoreContract, ValuesAreBytes) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  this->put({{"ns", "empty", ""}, {"ns", "bytes", bytes}, {"ns", "", "no key"}});
  EXPECT_EQ(this->store().get("ns", "empty"), "");
  EXPECT_EQ(this->store().get("ns", "bytes"), bytes);
  EXPECT_EQ(this->store().get("ns", ""), "no key");
}

TYPED_TEST_P(StoreContract, KeysTakeThePrefixLiterally) {
  this->put({{"ns", "a%b", ""},
             {"ns", "a_b", ""},
             {"ns", "axb", ""},
             {"ns", "a%c", ""},
             {"ns", "A%b", ""},
             {"ns", "\xFF\xFF", ""},
             {"nt", "a%b", ""}});
  EXPECT_THAT(this->store().keys("ns", "a%"), ElementsAre("a%b", "a%c"));
  EXPECT_THAT(this->store().keys("ns", "a_"), ElementsAre("a_b"));
  EXPECT_THAT(this->store().keys("ns", "\xFF"), ElementsAre("\xFF\xFF"));
  EXPECT_THAT(this->store().keys("ns", ""), ElementsAre("A%b", "a%b", "a%c", "a_b", "axb", "\xFF\xFF"));
  EXPECT_THAT(this->store().keys("none", ""), IsEmpty());
}

TYPED_TEST_P(StoreContract, PutIsAllOrNothing) {
  std::atomic<bool> stop{false};
  this->put({{"ns", "a", "0"}, {"ns", "b", "0"}});
  std::thread writer([&] {
    for (int i = 1; i <= 200; ++i) this->put({{"ns", "a", std::to_string(i)}, {"ns", "b", std::to_string(i)}});
    stop = true;
  });
  // Both only grow, together: what is read later is never the smaller, whichever of the two would be written first.
  auto read = [&](const char* key) { return std::stoi(*this->store().get("ns", key)); };
  while (!stop) {
    const int before = read("a"), between = read("b"), after = read("a");
    EXPECT_LE(before, between);
    EXPECT_LE(between, after);
  }
  writer.join();
  EXPECT_EQ(this->store().get("ns", "a"), "200");
}

TYPED_TEST_P(StoreContract, LogSequencesRiseOverAllKeys) {
  const auto s1 = this->store().append("l", "k1", "a");
  const auto s2 = this->store().append("l", "k2", "b");
  const auto s3 = this->store().append("other", "k1", "c");
  const auto s4 = this->store().append("l", "k1", "d");
  EXPECT_LT(0U, s1);
  EXPECT_LT(s1, s2);
  EXPECT_LT(s2, s3);
  EXPECT_LT(s3, s4);
  EXPECT_THAT(this->since("k1"), ElementsAre("a", "d"));
  EXPECT_THAT(this->since("k1", s1), ElementsAre("d"));
  EXPECT_THAT(this->since("k1", s4), IsEmpty());
  EXPECT_THAT(this->since("k1", std::numeric_limits<std::uint64_t>::max()), IsEmpty());
  EXPECT_EQ(this->store().since("l", "k1", s1)[0].seq, s4);
}

TYPED_TEST_P(StoreContract, SlotIsCompareAndSwap) {
  EXPECT_EQ(this->store().slot("s", "k"), std::nullopt);
  EXPECT_FALSE(this->store().swap("s", "k", 1, "no"));
  EXPECT_TRUE(this->store().swap("s", "k", 0, "one"));
  EXPECT_FALSE(this->store().swap("s", "k", 0, "no"));
  EXPECT_EQ(this->store().slot("s", "k")->version, 1U);
  EXPECT_TRUE(this->store().swap("s", "k", 1, "two"));
  EXPECT_FALSE(this->store().swap("s", "k", 1, "no"));
  EXPECT_EQ(this->store().slot("s", "k")->version, 2U);
  EXPECT_EQ(this->store().slot("s", "k")->value, "two");
  EXPECT_EQ(this->store().slot("s", "k2"), std::nullopt);
}

TYPED_TEST_P(StoreContract, ConcurrentSwapsHaveOneWinnerEach) {
  constexpr int kThreads = 4, kRounds = 25;
  std::atomic<int> wins{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (std::uint64_t version = 0; version < kRounds; ++version) {
        if (this->store().swap("s", "k", version, std::to_string(t))) ++wins;
        while (true) {
          const auto now = this->store().slot("s", "k");
          if (now && now->version > version) break;
        }
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wins, kRounds);
  EXPECT_EQ(this->store().slot("s", "k")->version, std::uint64_t{kRounds});
}

TYPED_TEST_P(StoreContract, QueueKeepsItsOrderAndDropsInclusively) {
  for (const char* value : {"1", "2", "3", "4"}) this->store().push("q", "k", value);
  this->store().push("q", "other", "x");
  EXPECT_THAT(this->peek("k"), ElementsAre("1", "2", "3", "4"));
  EXPECT_THAT(this->peek("k", 2), ElementsAre("1", "2"));
  EXPECT_THAT(this->peek("k", 0), IsEmpty());
  const auto second = this->store().peek("q", "k", 2)[1].seq;
  EXPECT_EQ(this->store().drop_upto("q", "k", second), 2U);
  EXPECT_EQ(this->store().drop_upto("q", "k", second), 0U);
  EXPECT_THAT(this->peek("k"), ElementsAre("3", "4"));
  EXPECT_EQ(this->store().drop_upto("q", "k", std::numeric_limits<std::uint64_t>::max()), 2U);
  EXPECT_THAT(this->peek("k"), IsEmpty());
  EXPECT_THAT(this->peek("other"), ElementsAre("x"));
}

TYPED_TEST_P(StoreContract, AQueueNumberIsNeverUsedTwice) {
  const auto first = this->store().push("q", "k", "1");
  this->store().drop_upto("q", "k", first);
  this->reopen();
  EXPECT_GT(this->store().push("q", "k", "2"), first);
}

TYPED_TEST_P(StoreContract, ManyThreadsPushAndNothingIsLost) {
  constexpr int kThreads = 4, kEach = 50;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) this->store().push("q", "k", std::to_string(t * kEach + i));
    });
  for (auto& thread : threads) thread.join();
  const auto values = this->peek("k");
  EXPECT_EQ(values.size(), std::size_t{kThreads * kEach});
  EXPECT_EQ(std::set<std::string>(values.begin(), values.end()).size(), values.size());
  std::vector<int> last(kThreads, -1);
  for (const auto& value : values) {
    const int number = std::stoi(value);
    EXPECT_LT(last[number / kEach], number);
    last[number / kEach] = number;
  }
}

TYPED_TEST_P(StoreContract, EverythingIsThereAfterReopening) {
  this->put({{"ns", "k", "v"}});
  const auto seq = this->store().append("l", "k", "logged");
  this->store().swap("s", "k", 0, "slot");
  this->store().push("q", "k", "queued");
  this->reopen();
  EXPECT_EQ(this->store().get("ns", "k"), "v");
  EXPECT_THAT(this->since("k"), ElementsAre("logged"));
  EXPECT_EQ(this->store().slot("s", "k")->value, "slot");
  EXPECT_THAT(this->peek("k"), ElementsAre("queued"));
  EXPECT_GT(this->store().append("l", "k", "more"), seq);
  EXPECT_THAT(this->store().resets(), IsEmpty());
}

REGISTER_TYPED_TEST_SUITE_P(StoreContract, KvKeepsTheLastValueOfEachKeyInItsNamespace, ValuesAreBytes,
                            KeysTakeThePrefixLiterally, PutIsAllOrNothing, LogSequencesRiseOverAllKeys,
                            SlotIsCompareAndSwap, ConcurrentSwapsHaveOneWinnerEach,
                            QueueKeepsItsOrderAndDropsInclusively, AQueueNumberIsNeverUsedTwice,
                            ManyThreadsPushAndNothingIsLost, EverythingIsThereAfterReopening);

}  // namespace deltaforge::storage::testing
