// A server that speaks RESP as the test says.
#pragma once

#include <string>
#include <string_view>

#include "sinks/testing/fake_server.h"

namespace deltaforge::sinks::redis {

class FakeServer : public testing::FakeServer {
 public:
  std::string uri() const { return "redis://127.0.0.1:" + std::to_string(port()); }

  // Answers each of the sink's questions at its start: it is there, takes transactions, and tells no settings.
  void greet() {
    accept();
    for (const std::string_view answer : {"+PONG\r\n", "+OK\r\n", "*0\r\n", "-NOPERM no\r\n", "-NOPERM no\r\n"}) {
      receive(1000);
      say(answer);
    }
    received_.clear();
  }
  // How many commands of this name have come.
  int count(const std::string& command) const {
    int found = 0;
    const std::string word = "\r\n" + command + "\r\n";
    for (std::size_t at = received().find(word); at != std::string::npos; at = received().find(word, at + 2)) ++found;
    return found;
  }
};

}  // namespace deltaforge::sinks::redis
