// URLs: what may be written, and what values may do to them.
#include "sinks/http/url.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sinks/testing/batch_builder.h"

namespace deltaforge::sinks::http {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string problem(const std::string& url) { return url_problem(config::Template(url)); }

TEST(HttpUrl, WhatMayBeWritten) {
  for (const char* url :
       {"http://localhost", "https://api.example.com/events", "HTTPS://h:8443/a?b=c", "http://[::1]:80/x",
        "https://api.example.com/cdc/${source.table}", "https://${source.db}.api.internal/events",
        "https://${source.db}.api.internal:8443/events", "https://h/?t=${source.table}", "https://h?${op}"})
    EXPECT_THAT(problem(url), IsEmpty()) << url;
  EXPECT_THAT(problem("ftp://h/x"), HasSubstr("http:// or https://"));
  EXPECT_THAT(problem("file:///etc/passwd"), HasSubstr("http:// or https://"));
  EXPECT_THAT(problem("api.example.com/x"), HasSubstr("http:// or https://"));
  EXPECT_THAT(problem("${after.url}"), HasSubstr("http:// or https://"));
  EXPECT_THAT(problem("https:///x"), HasSubstr("no host"));
  EXPECT_THAT(problem("https://u:canary@h/x"), AllOf(HasSubstr("Authorization"), Not(HasSubstr("canary"))));
  EXPECT_THAT(problem("https://${after.user}@h/x"), HasSubstr("Authorization"));
  EXPECT_THAT(problem("https://h:${after.port}/x"), HasSubstr("port is a variable"));
  EXPECT_THAT(problem("https://[::1]:${after.port}/x"), HasSubstr("port is a variable"));
  EXPECT_THAT(problem("https://h:99999/x"), HasSubstr("ort"));
  EXPECT_THAT(problem("https://h/x#top"), HasSubstr("fragment"));
  EXPECT_THAT(problem("https://h/a b"), HasSubstr("percent-encoded"));
  EXPECT_THAT(problem("https://h\\x"), HasSubstr("backslash"));
  EXPECT_THAT(problem("https://h/a/../b"), HasSubstr(".."));
  EXPECT_THAT(problem("https://h/%2E%2e/b"), HasSubstr(".."));
}

TEST(HttpUrl, WhoNamesTheHost) {
  EXPECT_TRUE(has_fixed_host(config::Template("https://h:1/${op}")));
  EXPECT_TRUE(has_fixed_host(config::Template("https://h?${op}")));
  EXPECT_FALSE(has_fixed_host(config::Template("https://${source.db}.h/")));
  EXPECT_FALSE(has_fixed_host(config::Template("https://h${source.db}")));
  EXPECT_EQ(host_of("https://h:8443/x"), "h");
  EXPECT_EQ(host_of("https://[::1]:80/x"), "::1");
  EXPECT_EQ(host_of("https://h?x"), "h");
  EXPECT_EQ(without_query("https://h/x?token=canary"), "https://h/x");
  EXPECT_TRUE(names_host({"API.internal"}, "api.INTERNAL"));
  EXPECT_TRUE(names_host({"x", "*.internal"}, "a.b.internal"));
  EXPECT_FALSE(names_host({"*.internal"}, "internal"));
  EXPECT_FALSE(names_host({"*.internal"}, "evilinternal"));
  EXPECT_FALSE(names_host({"internal"}, "a.internal"));
}

class HttpUrlWriter : public ::testing::Test {
 protected:
  std::string refusal(const std::string& url, std::string_view note) {
    const std::string said = write(url, note);
    EXPECT_THAT(said, Not(HasSubstr("://"))) << "it was taken";
    return said;
  }
  // The URL, or why there is none.
  std::string write(const std::string& url, std::string_view note) {
    batches_.insert(7, note);
    const Delivery delivery = batches_.build();
    UrlWriter writer(config::Template(url), "acme");
    std::string out = "what was there before";
    const std::string refused = writer.write(delivery.batch->event(0), out);
    return refused.empty() ? out : refused;
  }
  testing::BatchBuilder batches_;
};

TEST_F(HttpUrlWriter, ValuesStayInTheirPlace) {
  EXPECT_EQ(write("https://h/events", "x"), "https://h/events");
  EXPECT_EQ(write("https://h/cdc/${source.table}/${op}/${after.id}?t=${tenant_id}", "x"),
            "https://h/cdc/orders/c/7?t=acme");
  EXPECT_EQ(write("https://h/${after.note}", "a/b?c=d#e%2e f&g;\xc3\xbc"),
            "https://h/a%2Fb%3Fc%3Dd%23e%252e%20f%26g%3B%C3%BC");
  EXPECT_EQ(write("https://h/?n=${after.note}", "a&b=c\r\nX: y"), "https://h/?n=a%26b%3Dc%0D%0AX%3A%20y");
  EXPECT_EQ(write("https://${source.db}.h:8443/e", "x"), "https://shop.h:8443/e");
  EXPECT_EQ(write("https://${after.note}/e", "Api-1.example.com"), "https://Api-1.example.com/e");
}

TEST_F(HttpUrlWriter, WhatLeadsElsewhereIsRefused) {
  for (const char* note :
       {"evil.com/", "a@evil", "a#", "evil.com:80", "..%2f", "a b", "a\\b", "a?b", "[::1]", "\xc3\xbc"})
    EXPECT_THAT(refusal("https://${after.note}.api.internal/e", note), HasSubstr("no part of a host's name")) << note;
  for (const char* note : {".", "..", "a.", ".a", "a..b"})
    EXPECT_THAT(refusal("https://${after.note}.api.internal/e", note), HasSubstr("no valid host")) << note;
  EXPECT_THAT(refusal("https://${after.note}.h/", std::string(64, 'a')), HasSubstr("63"));
  for (const char* note : {".", ".."}) {
    EXPECT_THAT(refusal("https://h/a/${after.note}/b", note), HasSubstr("leads elsewhere")) << note;
    EXPECT_THAT(refusal("https://h/${after.note}", note), HasSubstr("leads elsewhere")) << note;
    EXPECT_THAT(refusal("https://h/${after.note}?x", note), HasSubstr("leads elsewhere")) << note;
  }
  EXPECT_THAT(refusal("https://h/.${after.note}", "."), HasSubstr("leads elsewhere"));
  EXPECT_EQ(write("https://h/?x=${after.note}", ".."), "https://h/?x=..");
  EXPECT_EQ(write("https://h/${after.note}", "..."), "https://h/...");
}

TEST_F(HttpUrlWriter, NoValueNoUrl) {
  EXPECT_THAT(refusal("https://h/${after.note}", ""), AllOf(HasSubstr("${after.note}"), HasSubstr("empty")));
  EXPECT_THAT(refusal("https://h/${before.note}", "x"), HasSubstr("no value for ${before.note}"));
  EXPECT_THAT(refusal("https://h/${after.note}", std::string(9000, 'a')), HasSubstr("8192"));
}

}  // namespace
}  // namespace deltaforge::sinks::http
