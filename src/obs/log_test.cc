#include "obs/log.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <limits>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "obs/log_line.h"
#include "obs/metrics.h"
#include "obs/repeat_limit.h"

namespace deltaforge::obs {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kWhen = 1'767'323'045'000'042;  // 2026-01-02T03:04:05.000042Z

std::string line(Format format, std::string_view message, std::vector<Field> fields = {}) {
  return log_line(format, kWhen, Level::warn, message, fields);
}

TEST(LogLine, Json) {
  EXPECT_EQ(line(Format::json, "cut",
                 {{"pipeline", "p1"}, {"n", std::int64_t{-3}}, {"u", std::uint64_t{7}}, {"took", 0.25}, {"ok", true}}),
            R"({"ts":"2026-01-02T03:04:05.000042Z","level":"warn","message":"cut","pipeline":"p1","n":-3,"u":7,)"
            R"("took":0.25,"ok":true})"
            "\n");
}

TEST(LogLine, Text) {
  EXPECT_EQ(line(Format::text, "link lost", {{"pipeline", "p1"}, {"why", "no route"}, {"empty", ""}}),
            "2026-01-02T03:04:05.000042Z warn  link lost pipeline=p1 why=\"no route\" empty=\"\"\n");
}

TEST(LogLine, AnyBytesGiveOneValidLine) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  all +=
      "\xC2\x9B"
      "31m \xE2\x82\xAC \xF0\x9F\x98\x80 \xED\xA0\x80 \xC0\xAF \xF4\x90\x80\x80 \xE2\x82";
  for (Format format : {Format::json, Format::text}) {
    const std::string out = line(format, all, {{"field", all}});
    EXPECT_EQ(out.find('\n'), out.size() - 1);
    for (char c : out.substr(0, out.size() - 1)) EXPECT_GE(static_cast<unsigned char>(c), 0x20);
    EXPECT_EQ(out.find("\xC2\x9B"), std::string::npos);
    EXPECT_THAT(out, HasSubstr("\xE2\x82\xAC \xF0\x9F\x98\x80 \xEF\xBF\xBD"));
  }
  const auto parsed = nlohmann::json::parse(line(Format::json, all));
  EXPECT_THAT(parsed["message"].get<std::string>(), HasSubstr("\x01\x02"));
}

TEST(LogLine, NumbersThatJsonLacksAreText) {
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(nlohmann::json::parse(line(Format::json, "m", {{"lag", inf}}))["lag"], "inf");
}

class HandClock : public Clock {
 public:
  SteadyTime now() const override { return at; }
  SteadyTime at{};
};

TEST(RepeatLimit, OneInTenSecondsAndThenTheCount) {
  HandClock clock;
  RepeatLimit limit(clock);
  EXPECT_EQ(limit.admit("p1", "down"), 0);
  clock.at += std::chrono::seconds(9);
  EXPECT_EQ(limit.admit("p1", "down"), std::nullopt);
  EXPECT_EQ(limit.admit("p1", "down"), std::nullopt);
  EXPECT_EQ(limit.admit("p2", "down"), 0);
  EXPECT_EQ(limit.admit("p1", "up"), 0);
  clock.at += std::chrono::seconds(1);
  EXPECT_EQ(limit.admit("p1", "down"), 2);
  EXPECT_EQ(limit.admit("p1", "down"), std::nullopt);
}

TEST(RepeatLimit, EverChangingTextsStayBounded) {
  HandClock clock;
  RepeatLimit limit(clock);
  for (int i = 0; i < 10'000; ++i) EXPECT_EQ(limit.admit("k", std::to_string(i)), 0);
  EXPECT_LE(limit.remembered(), RepeatLimit::kMaxKeys);
}

// However busy the machine is.
void flush_all() {
  for (int tries = 0; tries < 60 && !flush_log(); ++tries) {
  }
}

// stderr becomes a pipe of one page for the life of this object.
class StderrPipe {
 public:
  StderrPipe() {
    flush_all();
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    read_ = Fd(ends[0]);
    Fd write(ends[1]);
    ::fcntl(read_.get(), F_SETPIPE_SZ, 4096);
    before_ = Fd(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
    ::dup2(write.get(), STDERR_FILENO);
  }
  ~StderrPipe() { restore(); }
  void close_reader() { read_ = Fd(); }
  // The lines that have been and are yet to be written, after which stderr is itself again.
  std::vector<std::string> lines() {
    std::string text;
    std::thread reader([&] {
      std::array<char, 4096> buffer{};
      for (ssize_t n; (n = ::read(read_.get(), buffer.data(), buffer.size())) > 0;)
        text.append(buffer.data(), static_cast<std::size_t>(n));
    });
    restore();
    reader.join();
    std::vector<std::string> result;
    std::istringstream in(text);
    for (std::string one; std::getline(in, one);) result.push_back(one);
    return result;
  }

 private:
  void restore() {
    flush_all();
    if (before_) ::dup2(before_.get(), STDERR_FILENO);
    before_ = Fd();
  }
  Fd read_, before_;
};

TEST(Log, LevelDecides) {
  StderrPipe pipe;
  configure_log(Level::info, Format::json);
  debug("left out");
  info("let through", {{"n", std::int64_t{1}}});
  EXPECT_FALSE(log_enabled(Level::debug));
  const auto lines = pipe.lines();
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(nlohmann::json::parse(lines[0])["message"], "let through");
}

TEST(Log, LinesOfManyThreadsStayWhole) {
  StderrPipe pipe;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      for (int i = 0; i < 50; ++i) info("m", {{"padding", std::string(300, 'x')}});
    });
  for (auto& thread : threads) thread.join();
  const auto lines = pipe.lines();
  EXPECT_EQ(lines.size(), 200U);
  for (const auto& one : lines) EXPECT_TRUE(nlohmann::json::accept(one)) << one;
}

TEST(Log, AStalledStderrDropsAndCountsAndNeverStalls) {
  Counter dropped = Metrics::instance().counter("deltaforge_log_dropped_total", {});
  const double before = dropped.value();
  StderrPipe pipe;
  const std::string kilobyte(1000, 'x');
  // Nobody reads the pipe yet: a log() that waited for it would never return.
  for (int i = 0; i < 3000; ++i) info("stalled", {{"padding", kilobyte}});
  EXPECT_GT(dropped.value() - before, 1500);
  const auto lines = pipe.lines();
  std::uint64_t reported = 0, seen = 0;
  for (const auto& one : lines) {
    const auto json = nlohmann::json::parse(one);
    if (json["message"] == "stalled") ++seen;
    if (json["message"] == "log lines dropped: stderr was stalled") reported += json["count"].get<std::uint64_t>();
  }
  EXPECT_EQ(seen + reported, 3000U);
}

TEST(Log, AClosedStderrIsNoReasonToDie) {
  Counter dropped = Metrics::instance().counter("deltaforge_log_dropped_total", {});
  const double before = dropped.value();
  StderrPipe pipe;
  pipe.close_reader();
  info("into the void");
  flush_all();
  EXPECT_EQ(dropped.value() - before, 1);
}

TEST(Log, LimitedLinesCarryTheirCount) {
  StderrPipe pipe;
  for (int i = 0; i < 5; ++i) log_limited(Level::warn, "key", "again and again");
  EXPECT_EQ(pipe.lines().size(), 1U);
}

// Components of two pipelines may have the same name.
TEST(Log, EachPipelineHasALimitOfItsOwn) {
  StderrPipe pipe;
  for (const std::string_view pipeline : {"a", "b", "a", "b"})
    log_limited(Level::warn, "sink", "it fails", {{"pipeline", pipeline}, {"sink", std::string_view("s")}});
  EXPECT_EQ(pipe.lines().size(), 2U);
}

}  // namespace
}  // namespace deltaforge::obs
