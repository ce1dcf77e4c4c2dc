#include "server/private_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/error.h"

namespace deltaforge::server {
namespace {

namespace fs = std::filesystem;

class PrivateFile : public ::testing::Test {
 protected:
  PrivateFile() {
    std::string pattern = (fs::temp_directory_path() / "df-file-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
  }
  ~PrivateFile() override { fs::remove_all(directory_); }
  std::string write(const std::string& text, mode_t mode) {
    std::string path = (directory_ / "f").string();
    std::ofstream(path, std::ios::binary) << text;
    chmod(path.c_str(), mode);
    return path;
  }
  static std::string why_not(const std::string& path) {
    try {
      read_private_file(path, "--o");
      return "read";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::config);
      return error.what();
    }
  }
  fs::path directory_;
};

TEST_F(PrivateFile, IsReadWhole) {
  std::string text(64 * 1024, 'x');
  EXPECT_EQ(read_private_file(write(text, 0600), "--o"), text);
  EXPECT_EQ(read_private_file(write("", 0640), "--o"), "");
}

TEST_F(PrivateFile, WhatEveryUserMayReadIsRefused) {
  for (mode_t mode : {0604, 0602, 0644}) {
    std::string path = write("x", mode);
    EXPECT_EQ(why_not(path),
              "reading --o " + path + ": it is a secret, and every user may read or write it (chmod 600 " + path + ")");
    EXPECT_EQ(read_file(path, "--o"), "x");
  }
}

TEST_F(PrivateFile, WhatCannotBeReadIsNamed) {
  const std::string hint = " (--o names a file that this process may read)";
  std::string none = (directory_ / "none").string();
  EXPECT_EQ(why_not(none), "reading --o " + none + ": No such file or directory" + hint);
  EXPECT_EQ(why_not(directory_.string()), "reading --o " + directory_.string() + ": it is not a file" + hint);
  std::string large = write(std::string(64 * 1024 + 1, 'x'), 0600);
  EXPECT_EQ(why_not(large), "reading --o " + large + ": it is larger than 64 KiB" + hint);
}

}  // namespace
}  // namespace deltaforge::server
