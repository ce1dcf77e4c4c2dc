// The stream against a server that says what real ones say only now and then: the keepalives, errors and answers that
// decide over positions.
#include "sources/postgres/stream.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "sources/postgres/fake_server_for_test.h"
#include "sources/testing/recording_intake.h"

namespace deltaforge::sources::postgres {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Recorded;
using testing::RecordingIntake;

class NoCatalogue : public RelationLookup {
  RelationFacts look_up(const RelationMessage&) override { return {}; }
};

class StreamTest : public ::testing::Test {
 protected:
  // Streams from 0/1000 until the script ends or fails; the error with which it stopped.
  Error run(FakeServer::Script script) {
    FakeServer server([&](FakeServerLink& link) {
      link.login();
      script(link);
    });
    Session session({.dsn = server.dsn(), .replication = true});
    relations_.begin(catalogue_, "app");
    ServerFacts facts;
    facts.timeline = 1;
    Stream stream({.session = session,
                   .intake = intake_,
                   .relations = relations_,
                   .shared = shared_,
                   .server = facts,
                   .decoder = {"shop", "1", 1, false},
                   .slot = "s",
                   .publications = "\"p\"",
                   .start = Lsn{0x1000},
                   .connected = [] {},
                   .look = [] {},
                   .stop_fd = stopping_.fd(),
                   .stop = {}});
    try {
      stream.run();
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "it ended without an error";
    return Error(ErrorKind::storage, "none");
  }
  bool wait_for(std::size_t records) {
    return intake_.wait_for([=](const std::vector<Recorded>& all) { return all.size() >= records; }, 10s);
  }

  schema::Registry registry_;
  NoCatalogue catalogue_;
  RelationCache relations_{{"shop", ""}, [](auto, auto) { return true; }, registry_};
  RecordingIntake intake_;
  Shared shared_;
  WakeFd stopping_;
};

std::string begin(Lsn commit) {
  return "B" + big_endian(number(commit)) + big_endian(std::uint64_t{1}) + big_endian(std::uint32_t{700});
}
std::string commit(Lsn at, Lsn end) {
  return "C" + std::string(1, '\0') + big_endian(number(at)) + big_endian(number(end)) + big_endian(std::uint64_t{1});
}
// public.t (id int), and a row of it.
std::string relation() {
  return "R" + big_endian(std::uint32_t{5}) + c_string("public") + c_string("t") + "d" + big_endian(std::uint16_t{1}) +
         std::string(1, '\1') + c_string("id") + big_endian(std::uint32_t{23}) + big_endian(std::int32_t{-1});
}
std::string insert(const std::string& id) {
  return "I" + big_endian(std::uint32_t{5}) + "N" + big_endian(std::uint16_t{1}) + "t" +
         big_endian(static_cast<std::uint32_t>(id.size())) + id;
}

// A server sends keepalives while it still reads a large transaction. They may point past the commit of this one.
TEST_F(StreamTest, AKeepaliveIsAPositionOnlyBetweenTransactions) {
  run([&](FakeServerLink& link) {
    link.begin_streaming();
    link.stream(Lsn{0x2000}, begin(Lsn{0x2000}));
    link.keepalive(Lsn{0x3000});
    link.stream(Lsn{0x1500}, relation());
    link.stream(Lsn{0x1500}, insert("7"));
    link.stream(Lsn{0x2000}, commit(Lsn{0x2000}, Lsn{0x2010}));
    EXPECT_TRUE(wait_for(1));
    link.keepalive(Lsn{0x3000});
    EXPECT_TRUE(wait_for(2));
  });
  auto all = intake_.all();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_FALSE(all[0].idle);
  EXPECT_EQ(all[0].mark.as<WalMark>().end, Lsn{0x2010});
  EXPECT_THAT(all[0].events, ElementsAre("c public.t#1 before=- after={id=7}"));
  EXPECT_TRUE(all[1].idle);
  EXPECT_EQ(all[1].mark.as<WalMark>().end, Lsn{0x3000});
}

// The lanes may have acknowledged, over a former connection, what this one was not sent: a server is never told that
// more was flushed than was written.
TEST_F(StreamTest, WhatIsFlushedIsWrittenToo) {
  shared_.release(Lsn{0x5000});
  FakeServerLink::Status first, later;
  run([&](FakeServerLink& link) {
    link.begin_streaming();
    first = link.receive_status();
    link.keepalive(Lsn{0x6000}, true);
    later = link.receive_status();
  });
  EXPECT_EQ(first.flushed, Lsn{0x5000});
  EXPECT_EQ(first.written, Lsn{0x5000});
  EXPECT_EQ(later.flushed, Lsn{0x5000});
  EXPECT_EQ(later.written, Lsn{0x6000});
}

// What the server could not decode or send it cannot the next time either; what it lacks may come back.
TEST_F(StreamTest, ErrorsWhileStreaming) {
  const std::vector<std::pair<std::string, ErrorKind>> kinds{
      {"XX000", ErrorKind::undecodable},   {"XX001", ErrorKind::undecodable},   {"22021", ErrorKind::undecodable},
      {"42703", ErrorKind::undecodable},   {"54000", ErrorKind::undecodable},   {"42501", ErrorKind::auth},
      {"42704", ErrorKind::position_lost}, {"58P01", ErrorKind::position_lost}, {"57P01", ErrorKind::unavailable},
      {"53200", ErrorKind::unavailable},   {"08006", ErrorKind::unavailable}};
  for (const auto& [state, kind] : kinds) {
    Error error = run([&, state = state](FakeServerLink& link) {
      link.begin_streaming();
      link.receive_status();
      link.fail(state, "what went wrong");
    });
    EXPECT_EQ(error.kind(), kind) << state << ": " << error.what();
    EXPECT_THAT(error.what(), HasSubstr("what went wrong")) << state;
    EXPECT_THAT(error.what(), HasSubstr("0/1000")) << state << " does not say where";
  }
}

TEST_F(StreamTest, TheSameErrorBeforeStreamingIsTriedAgain) {
  Error error = run([](FakeServerLink& link) {
    link.receive('Q');
    link.fail("XX000", "what went wrong");
  });
  EXPECT_EQ(error.kind(), ErrorKind::unavailable) << error.what();
  EXPECT_THAT(error.what(), HasSubstr("starting replication from slot s at 0/1000: what went wrong [XX000]"));
}

}  // namespace
}  // namespace deltaforge::sources::postgres
