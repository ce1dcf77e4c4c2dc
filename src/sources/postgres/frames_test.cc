#include "sources/postgres/frames.h"

#include <cstring>

#include <gtest/gtest.h>

#include "base/error.h"
#include "sources/postgres/errors.h"

namespace deltaforge::sources::postgres {
namespace {

struct TestPlacer : Placer {
  std::byte* place(char, Bytes head, std::size_t size) override {
    heads.emplace_back(as_text(head.first(std::min<std::size_t>(head.size(), 4))));
    if (drop) return nullptr;
    memory.resize(size);
    return memory.data();
  }
  bool drop = false;
  std::vector<std::byte> memory;
  std::vector<std::string> heads;
};

std::string message(char type, std::string body) {
  auto length = static_cast<std::uint32_t>(body.size() + 4);
  std::string out(1, type);
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(length >> shift);
  return out + body;
}

// Feeds the stream in pieces of `piece` bytes and returns the messages that come out.
std::vector<std::string> cut(Frames& frames, std::string_view stream, std::size_t piece) {
  std::vector<std::string> seen;
  while (!stream.empty()) {
    auto space = frames.space();
    EXPECT_FALSE(space.empty());
    std::size_t size = std::min({piece, space.size(), stream.size()});
    if (size == 0) break;
    std::memcpy(space.data(), stream.data(), size);
    frames.filled(size);
    stream.remove_prefix(size);
    while (auto frame = frames.next()) seen.push_back(frame->type + std::string(as_text(frame->body)));
  }
  return seen;
}

TEST(Frames, AnyCutGivesTheSameMessages) {
  std::string big(5'000, 'b'), huge(100'000, 'h');
  std::string stream = message('a', "") + message('d', "one") + message('d', big) + message('d', huge) +
                       message('z', "last") + message('d', std::string(995, 'x')) +
                       message('d', std::string(1019, 'y')) + message('d', std::string(1020, 'z')) +
                       message('e', "end");
  std::vector<std::string> expected{"a",
                                    "done",
                                    "d" + big,
                                    "d" + huge,
                                    "zlast",
                                    "d" + std::string(995, 'x'),
                                    "d" + std::string(1019, 'y'),
                                    "d" + std::string(1020, 'z'),
                                    "eend"};
  for (std::size_t piece : {1u, 2u, 7u, 64u, 1000u, 1024u, 1'000'000u}) {
    TestPlacer placer;
    Frames frames(placer, 1024);
    EXPECT_EQ(cut(frames, stream, piece), expected) << piece;
    EXPECT_TRUE(frames.empty());
    EXPECT_EQ(placer.heads.size(), 3u);  // what does not fit 1024 bytes with its header
  }
}

TEST(Frames, WhatNobodyWantsIsReadPast) {
  TestPlacer placer;
  placer.drop = true;
  Frames frames(placer, 1024);
  std::string stream = message('d', "a") + message('d', std::string(100'000, 'h')) + message('d', "b");
  for (std::size_t piece : {1u, 1000u, 1'000'000u})
    EXPECT_EQ(cut(frames, stream, piece), (std::vector<std::string>{"da", "db"})) << piece;
}

TEST(Frames, APartIsKnown) {
  TestPlacer placer;
  Frames frames(placer, 1024);
  EXPECT_TRUE(cut(frames, message('d', "abc").substr(0, 6), 100).empty());
  EXPECT_FALSE(frames.empty());
}

TEST(Frames, ImpossibleLengthsStop) {
  for (std::string bad : {std::string("d\0\0\0\3", 5), std::string("d\xff\xff\xff\xff", 5)}) {
    TestPlacer placer;
    Frames frames(placer, 1024);
    EXPECT_THROW(cut(frames, bad, 100), Error);
  }
}

TEST(ServerErrors, FieldsAndKinds) {
  ServerError error = read_server_error(as_bytes(std::string("SERROR\0C55006\0Mslot is active\0Dx\0\0", 33)));
  EXPECT_EQ(error.sqlstate, "55006");
  EXPECT_EQ(error.message, "slot is active");
  for (auto [state, kind] : {std::pair{"28P01", ErrorKind::auth},
                             {"28000", ErrorKind::auth},
                             {"42501", ErrorKind::auth},
                             {"3D000", ErrorKind::config},
                             {"57P01", ErrorKind::unavailable},
                             {"08006", ErrorKind::unavailable},
                             {"53300", ErrorKind::unavailable},
                             {"55006", ErrorKind::unavailable},
                             {"42601", ErrorKind::config}})
    EXPECT_EQ(kind_of(state), kind) << state;
}

TEST(ServerErrors, WhatLibpqSaysWhenItCannotConnect) {
  auto check = [](std::string text, ErrorKind kind, std::string remedy) {
    Error error = connect_error(text, "cdc");
    EXPECT_EQ(error.kind(), kind) << error.what();
    EXPECT_NE(error.hint().find(remedy), std::string::npos) << error.what();
    EXPECT_EQ(std::string(error.what()).find("LOCATION"), std::string::npos);
  };
  check(
      "connection to server at \"h\", port 1 failed: FATAL:  28P01: password authentication failed for user \"cdc\"\n"
      "LOCATION:  auth_failed, auth.c:326\n",
      ErrorKind::auth, "password");
  check("connection failed: FATAL:  42501: must be superuser or replication role to start walsender\n", ErrorKind::auth,
        "ALTER ROLE \"cdc\" REPLICATION");
  check("connection failed: FATAL:  28000: no pg_hba.conf entry for replication connection\n", ErrorKind::auth,
        "pg_hba.conf");
  check("connection failed: FATAL:  3D000: database \"x\" does not exist\n", ErrorKind::config, "dbname");
  check("connection failed: FATAL:  57P03: the database system is starting up\n", ErrorKind::unavailable, "host");
  check("connection to server at \"h\", port 1 failed: Connection refused\n\tIs the server running?\n",
        ErrorKind::unavailable, "host and port");
  check("server does not support SSL, but SSL was required\n", ErrorKind::auth, "sslmode");
  check("SSL error: certificate verify failed\n", ErrorKind::auth, "sslrootcert");
  check("fe_sendauth: no password supplied\n", ErrorKind::auth, "password");
  check("FATAL:  08P01: unsupported startup parameter: replication\n", ErrorKind::config, "poolers");
}

}  // namespace
}  // namespace deltaforge::sources::postgres
