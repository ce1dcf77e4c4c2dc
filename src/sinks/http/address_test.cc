// Who may be reached when the event names the host.
#include "sinks/http/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>
#include <string>

#include <gtest/gtest.h>

namespace deltaforge::sinks::http {
namespace {

sockaddr_storage address(const std::string& text) {
  sockaddr_storage storage{};
  sockaddr_in four{};
  four.sin_family = AF_INET;
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  if (inet_pton(AF_INET, text.c_str(), &four.sin_addr) == 1)
    std::memcpy(&storage, &four, sizeof four);
  else if (inet_pton(AF_INET6, text.c_str(), &six.sin6_addr) == 1)
    std::memcpy(&storage, &six, sizeof six);
  else
    ADD_FAILURE() << text;
  return storage;
}

bool public_address(const std::string& text) {
  const sockaddr_storage storage = address(text);
  EXPECT_EQ(to_text(reinterpret_cast<const sockaddr&>(storage)), text);
  return is_public(reinterpret_cast<const sockaddr&>(storage));
}

TEST(HttpAddress, WhatIsOurOwnNetwork) {
  for (const char* text : {"0.0.0.0",
                           "0.1.2.3",
                           "10.0.0.0",
                           "10.255.255.255",
                           "100.64.0.1",
                           "100.127.255.255",
                           "127.0.0.1",
                           "127.255.255.254",
                           "169.254.0.1",
                           "169.254.169.254",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.0.0.8",
                           "192.0.2.1",
                           "192.168.0.1",
                           "192.168.255.255",
                           "198.18.0.1",
                           "198.19.255.255",
                           "198.51.100.7",
                           "203.0.113.9",
                           "224.0.0.1",
                           "239.255.255.255",
                           "240.0.0.1",
                           "255.255.255.255",
                           "::",
                           "::1",
                           "::ffff:127.0.0.1",
                           "::ffff:10.1.2.3",
                           "::ffff:169.254.169.254",
                           "::127.0.0.1",
                           "64:ff9b::a00:1",
                           "64:ff9b::7f00:1",
                           "64:ff9b:1::1",
                           "100::1",
                           "2001::1",
                           "2001:db8::1",
                           "2002:7f00:1::",
                           "2002:a00:1::1",
                           "3fff::1",
                           "fc00::1",
                           "fd12:3456::1",
                           "fe80::1",
                           "febf::1",
                           "fec0::1",
                           "ff02::1"})
    EXPECT_FALSE(public_address(text)) << text;
}

TEST(HttpAddress, WhatIsEverybodys) {
  for (const char* text :
       {"1.1.1.1",         "8.8.8.8",          "9.255.255.255",  "11.0.0.1",        "100.63.255.255",  "100.128.0.1",
        "126.255.255.255", "128.0.0.1",        "169.253.1.1",    "172.15.255.255",  "172.32.0.1",      "192.167.1.1",
        "192.169.0.1",     "198.17.255.255",   "198.20.0.1",     "223.255.255.255", "2606:4700::1111", "2a00:1450::1",
        "::ffff:8.8.8.8",  "64:ff9b::808:808", "2002:808:808::1"})
    EXPECT_TRUE(public_address(text)) << text;
}

TEST(HttpAddress, WhatIsNoIpAddressIsNot) {
  sockaddr unix_socket{};
  unix_socket.sa_family = AF_UNIX;
  EXPECT_FALSE(is_public(unix_socket));
}

}  // namespace
}  // namespace deltaforge::sinks::http
