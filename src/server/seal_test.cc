#include "server/seal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/error.h"

namespace deltaforge::server {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class SealTest : public ::testing::Test {
 protected:
  ~SealTest() override { fs::remove_all(directory_); }

  std::string refusal(std::string_view sealed, std::string_view name) {
    try {
      return "opened: " + Seal(path_).open(sealed, name);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::storage);
      return error.what();
    }
  }

  static fs::path fresh_directory() {
    std::string pattern = (fs::temp_directory_path() / "df-seal-XXXXXX").string();
    return mkdtemp(pattern.data());
  }

  const fs::path directory_ = fresh_directory();
  const std::string path_ = (directory_ / "secret.key").string();
};

TEST_F(SealTest, OpensWhatItClosedAlsoInTheNextProcess) {
  const std::string text("a password\0 and more", 20);
  const std::string sealed = Seal(path_).close(text, "shop");
  EXPECT_EQ(sealed.find("password"), std::string::npos);
  EXPECT_EQ(Seal(path_).open(sealed, "shop"), text);
  EXPECT_NE(Seal(path_).close(text, "shop"), sealed);
  EXPECT_EQ(Seal(path_).open(Seal(path_).close("", "shop"), "shop"), "");
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST_F(SealTest, OpensNothingElse) {
  std::string sealed = Seal(path_).close("text", "shop");
  EXPECT_THAT(refusal(sealed, "other"), HasSubstr("it was changed"));
  sealed[20] = sealed[20] == 'A' ? 'B' : 'A';
  EXPECT_THAT(refusal(sealed, "shop"), HasSubstr("it was changed"));
  for (const char* nonsense : {"", "A", "AAAA", "%%%%"}) EXPECT_THAT(refusal(nonsense, "shop"), HasSubstr("changed"));
}

TEST_F(SealTest, SaysWhatIsWrongWithTheKey) {
  const std::string sealed = Seal(path_).close("text", "shop");
  fs::permissions(path_, fs::perms::others_read, fs::perm_options::add);
  EXPECT_THAT(refusal(sealed, "shop"), HasSubstr("chmod o="));
  fs::remove(path_);
  EXPECT_THAT(refusal(sealed, "shop"), HasSubstr("there is none"));
  EXPECT_FALSE(fs::exists(path_)) << "a new key opens nothing";
  Seal(path_).close("", "x");
  EXPECT_THAT(refusal(sealed, "shop"), HasSubstr("the key is another one"));
  std::ofstream(path_) << "short";
  EXPECT_THAT(refusal(sealed, "shop"), HasSubstr("32 bytes"));
}

TEST_F(SealTest, WithoutAFileTheKeyIsInMemory) {
  Seal seal("");
  EXPECT_EQ(seal.open(seal.close("text", "shop"), "shop"), "text");
}

}  // namespace
}  // namespace deltaforge::server
