#include "sinks/stdout/stdout.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <sstream>
#include <string>
#include <thread>

#include "sinks/testing/config_check.h"
#include "sinks/testing/contract.h"

namespace deltaforge::sinks::testing {
namespace {

using stdout::Format;
using stdout::Output;
using stdout::StdoutSink;

struct Pipe {
  Pipe() {
    std::signal(SIGPIPE, SIG_IGN);  // as the server does
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    reader = Fd(ends[0]);
    writer = Fd(ends[1]);
  }
  Fd reader, writer;
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// A pipe whose other end is read by a thread all the time.
class PipeSubject final : public Subject {
 public:
  std::unique_ptr<Sink> make(SinkContext context) override {
    return std::make_unique<StdoutSink>(StdoutSink::Config{}, std::move(context), output_);
  }
  std::vector<std::string> read() override {
    // What has been written is in the pipe or in text_: the pipe is empty when the reader has come to the mark.
    const char mark = '\x03';
    EXPECT_EQ(::write(pipe_.writer.get(), &mark, 1), 1);
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(20), [this] { return text_.ends_with('\x03'); }));
    std::erase(text_, '\x03');
    return lines_of(text_);
  }
  ~PipeSubject() override {
    reader_.request_stop();
    const char mark = '\x03';
    EXPECT_EQ(::write(pipe_.writer.get(), &mark, 1), 1);
  }

 private:
  Pipe pipe_;
  Output output_{pipe_.writer.get()};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string text_;
  std::jthread reader_{[this](std::stop_token stop) {
    char buffer[65536];
    while (!stop.stop_requested()) {
      const ssize_t got = ::read(pipe_.reader.get(), buffer, sizeof buffer);
      if (got <= 0) return;
      std::lock_guard lock(mutex_);
      text_.append(buffer, static_cast<std::size_t>(got));
      changed_.notify_all();
    }
  }};
};

INSTANTIATE_TEST_SUITE_P(Stdout, SinkContract, ::testing::Values(subject_of<PipeSubject>()));

std::string drain(int fd) {
  std::string text;
  char buffer[65536];
  ::fcntl(fd, F_SETFL, O_NONBLOCK);
  for (ssize_t got; (got = ::read(fd, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(got));
  return text;
}

TEST(StdoutSink, AReaderThatWentAwayIsFatal) {
  Pipe pipe;
  Output output(pipe.writer.get());
  BatchBuilder batches;
  Lane lane;
  StdoutSink sink({}, lane.context(), output);
  pipe.reader = Fd();
  Delivery delivery = batches.rows(0, 1);
  Answer answer = lane.deliver(sink, delivery);
  ASSERT_TRUE(answer.outcome.fault);
  EXPECT_TRUE(answer.outcome.fault->fatal);
  EXPECT_EQ(answer.outcome.fault->message, "writing events to standard output: its reader is gone");
  EXPECT_NE(answer.outcome.fault->hint, "");
}

// However the pipe was opened: poll() comes back, says why nothing moves, and the rest follows once somebody reads.
void check_slow_reader(bool can_be_opened_again) {
  Pipe pipe;
  Output output(pipe.writer.get(), can_be_opened_again);
  BatchBuilder batches;
  Lane lane;
  StdoutSink sink({}, lane.context(), output);
  Delivery delivery = batches.rows(0, 1000);
  lane.send(sink, delivery);
  auto begin = std::chrono::steady_clock::now();
  int polls = 0;
  while (lane.trouble().empty() && polls < 1000) {
    EXPECT_TRUE(sink.poll());
    ++polls;
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  EXPECT_NE(lane.trouble().find("standard output"), std::string::npos);
  EXPECT_TRUE(lane.answers().empty());

  std::string text;
  while (lane.answers().empty()) {
    text += drain(pipe.reader.get());
    sink.poll();
  }
  text += drain(pipe.reader.get());
  EXPECT_TRUE(lane.answers()[0].delivered());
  EXPECT_EQ(row_ids(lines_of(text)), sequence(0, 1000));
}

TEST(StdoutSink, ASlowReaderDoesNotHangIt) { check_slow_reader(true); }
TEST(StdoutSink, ASlowReaderOfAPipeThatCannotBeOpenedAgainDoesNotHangIt) { check_slow_reader(false); }

TEST(StdoutSink, ALineThatWasCutIsEndedBeforeTheNext) {
  Pipe pipe;
  Output output(pipe.writer.get());
  BatchBuilder batches;
  Lane lane;
  Delivery delivery = batches.rows(0, 1000);
  {
    StdoutSink sink({}, lane.context(), output);
    lane.send(sink, delivery);
    for (int i = 0; i < 3; ++i) sink.poll();
  }
  std::string text = drain(pipe.reader.get());
  ASSERT_FALSE(text.ends_with('\n'));
  StdoutSink next({}, lane.context(), output);
  ASSERT_TRUE(lane.deliver(next, batches.rows(5000, 1)).delivered());
  text += drain(pipe.reader.get());
  EXPECT_EQ(row_ids({lines_of(text).back()}), sequence(5000, 1));
}

TEST(StdoutSink, TwoPipelinesDoNotMixTheirLines) {
  PipeSubject subject;
  auto run = [&subject](std::int64_t first_id) {
    BatchBuilder batches;
    Lane lane;
    auto sink = subject.make(lane.context());
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(lane.deliver(*sink, batches.rows(first_id + i * 100, 100)).delivered());
  };
  { std::jthread one(run, 0), two(run, 100'000); }
  std::vector<std::int64_t> ids = row_ids(subject.read());
  std::vector<std::int64_t> low, high;
  for (std::int64_t id : ids) (id < 100'000 ? low : high).push_back(id);
  EXPECT_EQ(low, sequence(0, 2000));
  EXPECT_EQ(high, sequence(100'000, 2000));
}

TEST(StdoutSink, AFullDiskIsTriedAgain) {
  Fd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  Output output(full.get());
  BatchBuilder batches;
  Lane lane;
  StdoutSink sink({}, lane.context(), output);
  Delivery delivery = batches.rows(0, 1);
  Answer answer = lane.deliver(sink, delivery);
  ASSERT_TRUE(answer.outcome.fault);
  EXPECT_FALSE(answer.outcome.fault->fatal);
  EXPECT_NE(answer.outcome.fault->message.find("No space left on device"), std::string::npos);
}

TEST(StdoutSink, PrettyIsOneLineAnEvent) {
  Pipe pipe;
  Output output(pipe.writer.get());
  BatchBuilder batches;
  Lane lane;
  StdoutSink sink({.format = Format::pretty}, lane.context(), output);
  batches.insert(7, "two\nlines\x1b[2J");
  batches.update(7, "old", "new");
  batches.insert_poison(8);
  ASSERT_TRUE(lane.deliver(sink, batches.build()).delivered());
  EXPECT_EQ(drain(pipe.reader.get()),
            "16:00:00.124 INSERT   public.orders 7  customer: customer-7, note: two\\nlines\\x1b[2J\n"
            "16:00:00.124 UPDATE   public.orders 7  note: old -> new\n"
            "16:00:00.124 INSERT   public.orders 8  customer: customer-8, note: \\xc3(\n");
}

TEST(StdoutConfig, Fields) {
  StdoutSink::Config config;
  EXPECT_EQ(problems<StdoutSink>("{id: out, format: pretty}", &config), "");
  EXPECT_EQ(config.format, Format::pretty);
  EXPECT_EQ(problems<StdoutSink>("{}", &config), "");
  EXPECT_EQ(config.format, Format::json);
  EXPECT_NE(problems<StdoutSink>("{format: preety}").find("did you mean 'pretty'"), std::string::npos);
  EXPECT_NE(problems<StdoutSink>("{encoding: avro}").find("not in this build: encoding avro"), std::string::npos);
}

}  // namespace
}  // namespace deltaforge::sinks::testing
