#include "sources/postgres/feedback.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "sources/postgres/pacer.h"
#include "sources/postgres/pgoutput.h"

namespace deltaforge::sources::postgres {
namespace {

using namespace std::chrono_literals;
const SteadyTime kStart{1000s};

TEST(Feedback, StatusMessageAsTheProtocolWantsIt) {
  auto message = status_message(Lsn{0x1'0000'0002}, Lsn{3}, kPostgresEpochUs + 5, true);
  ByteReader in(message);
  EXPECT_EQ(in.u8(), 'r');
  EXPECT_EQ(in.u64(), 0x1'0000'0002u);
  EXPECT_EQ(in.u64(), 3u);
  EXPECT_EQ(in.u64(), 3u);
  EXPECT_EQ(in.i64(), 5);
  EXPECT_EQ(in.u8(), 1);
  EXPECT_TRUE(in.ok());
  EXPECT_EQ(in.left(), 0u);
}

TEST(Feedback, SpeaksUnpromptedEveryThirdOfTheTimeoutAtMostTenSeconds) {
  for (auto [timeout, interval] : {std::pair{6'000ms, 2s}, {60'000ms, 10s}, {0ms, 10s}}) {
    Feedback feedback(timeout, kStart);
    EXPECT_TRUE(feedback.must_send(kStart));  // the first one at once
    feedback.sent(kStart, false);
    EXPECT_FALSE(feedback.must_send(kStart + interval - 1ms));
    EXPECT_TRUE(feedback.must_send(kStart + interval));
    EXPECT_EQ(feedback.due(), kStart + interval);
  }
}

TEST(Feedback, ARequestIsAnsweredAtOnceAndOnce) {
  Feedback feedback(60s, kStart);
  feedback.sent(kStart, false);
  feedback.reply_requested();
  EXPECT_TRUE(feedback.must_send(kStart));
  EXPECT_TRUE(feedback.owes_reply());
  feedback.sent(kStart, false);
  EXPECT_FALSE(feedback.must_send(kStart + 1s));
}

TEST(Feedback, NewsGoOutAtMostTenTimesASecond) {
  Feedback feedback(60s, kStart);
  feedback.sent(kStart, false);
  feedback.news(kStart + 10ms);
  EXPECT_FALSE(feedback.must_send(kStart + 99ms));
  EXPECT_TRUE(feedback.must_send(kStart + 100ms));
  feedback.sent(kStart + 1s, false);
  feedback.news(kStart + 5s);
  EXPECT_TRUE(feedback.must_send(kStart + 5s));
}

TEST(Feedback, OnlyAnUnansweredQuestionMakesALinkDead) {
  Feedback feedback(60s, kStart);
  feedback.heard(kStart);
  EXPECT_FALSE(feedback.quiet(kStart + 9s));
  EXPECT_TRUE(feedback.quiet(kStart + 10s));
  // This process stood still: the server was not asked.
  EXPECT_FALSE(feedback.dead(kStart + 3600s));
  feedback.sent(kStart + 10s, true);
  feedback.sent(kStart + 20s, true);
  EXPECT_FALSE(feedback.dead(kStart + 59s));
  EXPECT_TRUE(feedback.dead(kStart + 60s));
  feedback.heard(kStart + 61s);
  EXPECT_FALSE(feedback.dead(kStart + 200s));
}

TEST(Feedback, TheStartCommandIsAQuestionToo) {
  Feedback feedback(60s, kStart);
  EXPECT_FALSE(feedback.dead(kStart + 10s));
  EXPECT_TRUE(feedback.dead(kStart + 50s));
}

TEST(Pacer, PausesInBurstsOnly) {
  Pacer pacer;
  for (int i = 0; i < 1000; ++i) {  // single transactions, each after a wait
    EXPECT_EQ(pacer.pause_after(300), 0us);
    pacer.waited();
  }
  bool paused = false;
  for (int i = 0; i < 1000 && !paused; ++i) paused = pacer.pause_after(150) > 0us;  // row by row without a wait
  EXPECT_TRUE(paused);
  EXPECT_GT(pacer.pause_after(40'000), 0us);
  EXPECT_EQ(pacer.pause_after(100), 0us);  // it is over
  EXPECT_EQ(pacer.pause_after(100), 0us);
}

TEST(Pacer, PausesForAboutAsLongAsTheServerNeedsToFillTheWindow) {
  for (const auto takes : {300us, 1'000us, 3'000us}) {
    constexpr std::size_t kWindow = 30'000;
    Pacer pacer;
    pacer.pause_after(30'000 * 3);
    std::chrono::microseconds pause = 4ms, least = 1h, most{};
    for (int i = 0; i < 2000; ++i) {
      pause = pacer.pause_after(std::min<std::size_t>(kWindow, kWindow * pause.count() / takes.count()));
      if (i < 1000) continue;
      least = std::min(least, pause);
      most = std::max(most, pause);
    }
    EXPECT_GT(least, takes / 2) << takes.count();
    EXPECT_LT(most, takes * 3 / 2) << takes.count();
  }
}

}  // namespace
}  // namespace deltaforge::sources::postgres
