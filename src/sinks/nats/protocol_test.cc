// What a server sends, whole and in pieces, and how a connection introduces itself. No network.
#include "sinks/nats/protocol.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/error.h"
#include "sinks/nats/login.h"
#include "sinks/nats/nkey.h"

namespace deltaforge::sinks::nats {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = ServerMessage::Kind;

// One text for each message, then why it failed.
std::vector<std::string> read(std::string_view bytes, std::size_t piece) {
  ServerReader reader;
  std::vector<std::string> found;
  while (!bytes.empty() && reader.failure().empty()) {
    const auto space = reader.space();
    const std::size_t count = std::min({space.size(), bytes.size(), piece});
    std::memcpy(space.data(), bytes.data(), count);
    bytes.remove_prefix(count);
    reader.filled(count);
    while (const auto message = reader.next()) {
      std::string text = std::to_string(static_cast<int>(message->kind)) + "|";
      text.append(message->subject).append("|").append(message->headers).append("|").append(message->payload);
      found.push_back(std::move(text));
    }
  }
  if (!reader.failure().empty()) found.push_back("failed: " + std::string(reader.failure()));
  return found;
}

TEST(NatsProtocol, WhateverThePieces) {
  const std::string bytes =
      "INFO {\"server_id\":\"x\"} \r\nPING\r\nPONG\r\n+OK\r\n-ERR 'Unknown Protocol Operation'\r\n"
      "MSG _INBOX.a.1 1 5\r\nhe\r\no\r\nMSG _INBOX.a.2  1\treply.to 0\r\n\r\n"
      "HMSG _INBOX.a.3 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\nHMSG s 1 r 12 14\r\nNATS/1.0\r\n\r\nok\r\n";
  const std::vector<std::string> expected{"0|||{\"server_id\":\"x\"} ",
                                          "2|||",
                                          "3|||",
                                          "4|||",
                                          "5|||Unknown Protocol Operation",
                                          "1|_INBOX.a.1||he\r\no",
                                          "1|_INBOX.a.2||",
                                          "1|_INBOX.a.3|NATS/1.0 503\r\n\r\n|",
                                          "1|s|NATS/1.0\r\n\r\n|ok"};
  for (const std::size_t piece : {1u, 2u, 7u, 1000u}) EXPECT_EQ(read(bytes, piece), expected) << piece;
}

TEST(NatsProtocol, NobodyListens) {
  EXPECT_TRUE(is_no_responders({Kind::message, "s", "NATS/1.0 503\r\n\r\n", ""}));
  EXPECT_FALSE(is_no_responders({Kind::message, "s", "NATS/1.0 503\r\n\r\n", "{}"}));
  EXPECT_FALSE(is_no_responders({Kind::message, "s", "NATS/1.0\r\n\r\n", ""}));
}

TEST(NatsProtocol, WhatNoServerSends) {
  for (const char* bytes :
       {"\n", "\r\n", "HTTP/1.1 200 OK\r\n", "PING\n", "ping\r\n", "MSG s 1\r\n", "MSG s 1 r 2 3\r\nabc\r\n",
        "MSG s 1 -1\r\n", "MSG s 1 x\r\n", "MSG s 1 2\r\nabc\r\n", "MSG s 1 99999999999999999999\r\n",
        "MSG s 1 8388609\r\n", "HMSG s 1 3\r\nabc\r\n", "HMSG s 1 4 3\r\nabc\r\n", "PINGPING\r\n"})
    for (const std::size_t piece : {1u, 1000u}) {
      const auto found = read(bytes, piece);
      ASSERT_EQ(found.size(), 1u) << bytes;
      EXPECT_THAT(found[0], HasSubstr("failed: ")) << bytes;
    }
}

TEST(NatsProtocol, LongMessagesAndLines) {
  const std::string payload(3 * 1024 * 1024, 'x');
  EXPECT_THAT(read("PING\r\nMSG s 1 " + std::to_string(payload.size()) + "\r\n" + payload + "\r\nPONG\r\n", 100'000),
              ElementsAre("2|||", "1|s||" + payload, "3|||"));
  EXPECT_THAT(read("INFO " + std::string(ServerReader::kLongestLine, 'x'), 100'000).at(0), HasSubstr("longer"));
}

TEST(NatsProtocol, WhatAServerSaysOfItself) {
  const auto info = parse_info(
      R"({"server_id":"X","headers":true,"max_payload":1048576,"tls_required":true,"nonce":"abc","jetstream":true})");
  ASSERT_TRUE(info);
  EXPECT_TRUE(info->headers && info->tls_required && !info->tls_available);
  EXPECT_EQ(info->max_payload, 1048576u);
  EXPECT_EQ(info->nonce, "abc");
  EXPECT_FALSE(parse_info(R"({"headers":"yes"})")->headers);
  for (const char* text : {"{}", R"({"max_payload":-1})", R"({"max_payload":"1"})"})
    EXPECT_EQ(parse_info(text)->max_payload, 1048576u) << "what servers take unless they are told otherwise";
  for (const char* text : {"", "{", "[]", "null"}) EXPECT_FALSE(parse_info(text)) << text;
}

// --- logging in ---

const std::string kSeed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";

// What follows CONNECT.
nlohmann::json login(const Config& config, const std::string& url, const std::string& nonce = "", bool tls = false) {
  ServerInfo info;
  info.nonce = nonce;
  const auto servers = std::get<Servers>(parse_servers(config::Secret(url)));
  const std::string line = connect_line(config, servers, info, "a \"name\"", tls);
  EXPECT_TRUE(line.starts_with("CONNECT {") && line.ends_with("}\r\n")) << line;
  EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
  return nlohmann::json::parse(line.substr(8));
}

std::string file_of(const std::string& text) {
  const std::string path = ::testing::TempDir() + "nats_login." + std::to_string(::getpid());
  std::ofstream(path) << text;
  return path;
}

TEST(NatsLogin, WhatAConnectionAsksFor) {
  const auto options = login({}, "nats://h", "", true);
  EXPECT_EQ(options["verbose"], false);
  EXPECT_EQ(options["headers"], true);
  EXPECT_EQ(options["no_responders"], true);
  EXPECT_EQ(options["tls_required"], true);
  EXPECT_EQ(options["name"], "a \"name\"");
  for (const char* none : {"user", "pass", "auth_token", "jwt", "nkey", "sig"}) EXPECT_FALSE(options.contains(none));
}

TEST(NatsLogin, FieldsGoBeforeTheUrl) {
  auto options = login({}, "nats://app:p%40s@h");
  EXPECT_EQ(options["user"], "app");
  EXPECT_EQ(options["pass"], "p@s");
  EXPECT_EQ(login({}, "nats://token@h")["auth_token"], "token");
  Config config;
  config.username = "other";
  config.password = config::Secret("q");
  options = login(config, "nats://h");
  EXPECT_EQ(options["user"], "other");
  EXPECT_EQ(options["pass"], "q");
}

TEST(NatsLogin, TheNonceIsSigned) {
  Config config;
  config.nkey = file_of("# mine\n" + kSeed + "\n");
  auto options = login(config, "nats://h", "nonce-1");
  EXPECT_EQ(options["nkey"], public_key_of(kSeed));
  EXPECT_EQ(options["sig"], sign(kSeed, "nonce-1"));
  EXPECT_EQ(options["sig"].get<std::string>().size(), 86u);
  EXPECT_NE(sign(kSeed, "nonce-1"), sign(kSeed, "nonce-2"));
  EXPECT_FALSE(login(config, "nats://h").contains("sig"));

  Config credentials;
  credentials.credentials_file = file_of(
      "-----BEGIN NATS USER JWT-----\r\neyJ0.SUx.y---z\r\n------END NATS USER JWT------\r\n"
      "\r\n-----BEGIN USER NKEY SEED-----\r\n" +
      kSeed + "\r\n------END USER NKEY SEED------\r\n");
  options = login(credentials, "nats://h", "n");
  EXPECT_EQ(options["jwt"], "eyJ0.SUx.y---z");
  EXPECT_EQ(options["sig"], sign(kSeed, "n"));
}

TEST(NatsLogin, FilesThatCannotBeUsed) {
  const auto problem = [](const char* field, const std::string& text) {
    Config config;
    (field == std::string("nkey") ? config.nkey : config.credentials_file) =
        text.empty() ? "/not/there" : file_of(text);
    try {
      login(config, "nats://h", "n");
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::auth);
      return std::string(error.what());
    }
    return std::string("none");
  };
  EXPECT_THAT(problem("nkey", ""), HasSubstr("/not/there cannot be read"));
  EXPECT_THAT(problem("nkey", "SA" + kSeed.substr(2)), HasSubstr("no seed of a user"));
  EXPECT_THAT(problem("creds", ""), HasSubstr("cannot be read"));
  EXPECT_THAT(problem("creds", kSeed), HasSubstr("no file of credentials"));
  EXPECT_THAT(problem("creds", "-----BEGIN NATS USER JWT-----\nabc"), HasSubstr("no file of credentials"));
  EXPECT_THAT(problem("creds", "-----BEGIN NATS USER JWT-----\nabc\n------END\n"), HasSubstr("no file of credentials"));
}

}  // namespace
}  // namespace deltaforge::sinks::nats
