#include "server/request_head.h"

#include <gtest/gtest.h>

namespace deltaforge::server {
namespace {

// The code of the refusal, and its message; "" for a head that is fine.
std::string flaw(const RequestHead& head) {
  auto refused = refuse(head);
  return refused ? std::to_string(refused->status) + refused->body : "";
}

std::string flaw_of_target(std::string_view target) { return flaw({target, "HTTP/1.1", {}}); }

std::string flaw_of(decltype(RequestHead::headers) headers, std::string_view version = "HTTP/1.1") {
  return flaw({"/", version, std::move(headers)});
}

std::string bad(const std::string& message) { return R"(400{"code":"BAD_REQUEST","message":")" + message + R"("})"; }

TEST(RequestHead, ControlBytesInThePathAreRefused) {
  for (const char* fine : {"/", "/pipelines/a%20b", "/p%zz", "/p%", "/p%2", "/p?x=%00", "/caf\xc3\xa9", "/p%7e"})
    EXPECT_EQ(flaw_of_target(fine), "") << fine;
  for (const char* wrong : {"/p%00x", "/p%0a", "/p%1F", "/p%7f", "/p%%00", "/p\x01", "/p\x7f", "/p?\x02"})
    EXPECT_EQ(flaw_of_target(wrong), bad("a control byte in the path")) << wrong;
  for (const char* other : {"", "*", "http://localhost/health", "health"})
    EXPECT_EQ(flaw_of_target(other), bad("the request's target is not a path")) << other;
}

TEST(RequestHead, OneWayToTellWhereTheBodyEnds) {
  EXPECT_EQ(flaw_of({{"Content-Length", "3"}}), "");
  EXPECT_EQ(flaw_of({{"Transfer-Encoding", "Chunked"}}), "");
  EXPECT_EQ(flaw_of({{"Content-Length", "3"}, {"content-length", "3"}}),
            bad("a header that may stand once stands twice"));
  EXPECT_EQ(flaw_of({{"Content-Length", "3"}, {"TRANSFER-ENCODING", "chunked"}}),
            bad("Content-Length beside Transfer-Encoding"));
  for (const char* coding : {"gzip", "gzip, chunked", "chunked ", "xchunked", ""})
    EXPECT_EQ(flaw_of({{"Transfer-Encoding", coding}}), bad("Transfer-Encoding other than chunked")) << coding;
  EXPECT_EQ(flaw_of({{"Transfer-Encoding", "chunked"}}, "HTTP/1.0"), bad("Transfer-Encoding other than chunked"));
}

TEST(RequestHead, HeadersThatDecideStandOnce) {
  for (const char* name : {"Host", "Origin", "Authorization", "Content-Type"})
    EXPECT_EQ(flaw_of({{name, "a"}, {name, "a"}}), bad("a header that may stand once stands twice")) << name;
  EXPECT_EQ(flaw_of({{"Accept", "a"}, {"Accept", "b"}}), "");
}

TEST(RequestHead, NamesAndValuesAreWhatHttpAllows) {
  EXPECT_EQ(flaw_of({{"X-Y_z.1", "tab\tand caf\xc3\xa9"}}), "");
  for (const char* name : {"Content-Length ", "", "a b", "a\x01", "a(b"})
    EXPECT_EQ(flaw_of({{name, "1"}}), bad("the name of a header is malformed")) << name;
  for (const char* value : {"a\rb", "a\x01", "\x7f"})
    EXPECT_EQ(flaw_of({{"x", value}}), bad("a control byte in a header")) << value;
}

TEST(RequestHead, AHundredHeaders) {
  decltype(RequestHead::headers) headers(100, {"x", "y"});
  EXPECT_EQ(flaw_of(headers), "");
  headers.emplace_back("x", "y");
  EXPECT_EQ(flaw_of(headers), R"(431{"code":"HEADERS_TOO_MANY","message":"more than 100 headers"})");
}

TEST(RequestHead, HeadersByName) {
  RequestHead head{"/", "HTTP/1.1", {{"HOST", "a"}, {"x", ""}}};
  EXPECT_EQ(head.header("host"), "a");
  EXPECT_EQ(head.header("x"), "");
  EXPECT_EQ(head.header("y"), "");
}

}  // namespace
}  // namespace deltaforge::server
