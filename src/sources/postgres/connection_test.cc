// What a server answers while we log in may hold what we sent it.
#include "sources/postgres/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "sources/postgres/fake_server_for_test.h"

namespace deltaforge::sources::postgres {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Session, AServerThatRepeatsThePasswordIsNotQuoted) {
  constexpr std::uint32_t kCleartext = 3;  // as with LDAP, PAM and RADIUS, and as poolers ask
  FakeServer server([](FakeServerLink& link) {
    link.receive_startup();
    link.send('R', big_endian(kCleartext));
    const std::string password = link.receive('p').c_str();
    EXPECT_EQ(password, "canary-77");
    link.fail("28P01", "the directory knows no \"" + password + "\", nor user=u password=" + password);
  });
  try {
    Session session({.dsn = server.dsn("canary-77")});
    FAIL() << "it let us in";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::auth);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("28P01: the directory knows no \"***\", nor user=u password=***"),
                                    HasSubstr("check the password in the dsn"), Not(HasSubstr("canary"))));
  }
}

}  // namespace
}  // namespace deltaforge::sources::postgres
