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
  std::vector<Store::Item> items(std::string_view key, std::size_t limit = 1000, std::uint64_t after_seq = 0) {
    return store().peek("q", key, limit, after_seq);
  }
  std::vector<std::string> peek(std::string_view key, std::size_t limit = 1000, std::uint64_t after_seq = 0) {
    std::vector<std::string> values;
    for (auto& item : items(key, limit, after_seq)) values.push_back(item.value);
    return values;
  }
  void push(std::string_view key, std::string value, std::string id = {}) {
    const Store::Pushed item{std::move(id), std::move(value)};
    store().push("q", key, {&item, 1});
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
  for (const char* value : {"1", "2", "3", "4"}) this->push("k", value);
  this->push("other", "x");
  EXPECT_EQ(this->store().queued("q", "k"), 4U);
  EXPECT_THAT(this->peek("k"), ElementsAre("1", "2", "3", "4"));
  EXPECT_THAT(this->peek("k", 2), ElementsAre("1", "2"));
  EXPECT_THAT(this->peek("k", 0), IsEmpty());
  const auto second = this->items("k")[1].seq;
  EXPECT_THAT(this->peek("k", 1, second), ElementsAre("3"));
  EXPECT_EQ(this->store().drop_upto("q", "k", second), 2U);
  EXPECT_EQ(this->store().drop_upto("q", "k", second), 0U);
  EXPECT_THAT(this->peek("k"), ElementsAre("3", "4"));
  EXPECT_EQ(this->store().drop_upto("q", "k", std::numeric_limits<std::uint64_t>::max()), 2U);
  EXPECT_THAT(this->peek("k"), IsEmpty());
  EXPECT_THAT(this->peek("other"), ElementsAre("x"));
}

TYPED_TEST_P(StoreContract, AQueueNumberIsNeverUsedTwice) {
  this->push("k", "1");
  const auto first = this->items("k")[0].seq;
  this->store().drop_upto("q", "k", first);
  this->reopen();
  this->push("k", "2");
  EXPECT_GT(this->items("k")[0].seq, first);
}

TYPED_TEST_P(StoreContract, AnIdIsOnceInAQueueAndKeepsItsPlace) {
  const std::vector<Store::Pushed> items{{"a", "1"}, {"b", "2"}, {"", "3"}, {"", "4"}, {"a", "5"}};
  this->store().push("q", "k", items);
  this->push("other", "x", "a");
  EXPECT_THAT(this->peek("k"), ElementsAre("5", "2", "3", "4"));
  EXPECT_THAT(this->peek("other"), ElementsAre("x"));
  this->reopen();
  this->push("k", "6", "b");
  EXPECT_THAT(this->peek("k"), ElementsAre("5", "6", "3", "4"));
  const auto found = this->store().find("q", "k", "b");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->seq, this->items("k")[1].seq);
  EXPECT_EQ(found->id, "b");
  EXPECT_EQ(found->value, "6");
  EXPECT_FALSE(this->store().find("q", "k", "c"));
  EXPECT_FALSE(this->store().find("q", "k", ""));
}

TYPED_TEST_P(StoreContract, OneItemCanBeDropped) {
  for (const char* value : {"1", "2", "3"}) this->push("k", value, value);
  const auto second = this->items("k")[1].seq;
  EXPECT_FALSE(this->store().drop("q", "other", second));
  EXPECT_TRUE(this->store().drop("q", "k", second));
  EXPECT_FALSE(this->store().drop("q", "k", second));
  EXPECT_THAT(this->peek("k"), ElementsAre("1", "3"));
  this->push("k", "2", "2");
  EXPECT_THAT(this->peek("k"), ElementsAre("1", "3", "2"));
}

TYPED_TEST_P(StoreContract, ManyThreadsPushAndNothingIsLost) {
  constexpr int kThreads = 4, kEach = 50;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) this->push("k", std::to_string(t * kEach + i));
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
  this->push("k", "queued", "id");
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
                            AnIdIsOnceInAQueueAndKeepsItsPlace, OneItemCanBeDropped, ManyThreadsPushAndNothingIsLost,
                            EverythingIsThereAfterReopening);

}  // namespace deltaforge::storage::testing
