// A temporary directory for one test, and a reader of file sinks' directories that shares no code with them.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace deltaforge::sinks::file {

class DirectoryForTest {
 public:
  explicit DirectoryForTest(const std::string& parent = std::filesystem::temp_directory_path()) {
    std::string name = parent + "/df-file-XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
  }
  ~DirectoryForTest() { std::filesystem::remove_all(root_); }

  // Not made yet.
  std::string path() const { return root_ + "/out"; }
  std::string file(const std::string& name) const { return path() + "/" + name; }

  std::vector<std::string> names() const {
    std::vector<std::string> result;
    if (std::filesystem::exists(path()))
      for (const auto& entry : std::filesystem::directory_iterator(path()))
        if (entry.path().filename() != ".lock") result.push_back(entry.path().filename().string());
    std::sort(result.begin(), result.end());
    return result;
  }
  static std::string content(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void put(const std::string& name, const std::string& text) const { std::ofstream(file(name)) << text; }
  void remove(const std::string& name) const { EXPECT_TRUE(std::filesystem::remove(file(name))); }

  // Lines of all committed segments.
  std::vector<std::string> lines() const {
    std::vector<std::string> result;
    for (const std::string& name : names()) {
      if (!name.ends_with(".jsonl")) continue;
      const std::string text = content(file(name));
      EXPECT_TRUE(text.ends_with('\n')) << name;
      std::size_t at = 0;
      for (std::size_t end; (end = text.find('\n', at)) != std::string::npos; at = end + 1)
        result.push_back(text.substr(at, end - at));
    }
    return result;
  }
  // `n` of the newest committed position record; 0: none.
  std::uint64_t position() const {
    std::string newest = "000000000000";
    for (const std::string& name : names())
      if (name.ends_with(".jsonl")) newest = name.substr(0, 12);
    const std::string text = content(file(newest + ".pos"));
    return text.empty() ? 0 : nlohmann::json::parse(text).at("n").get<std::uint64_t>();
  }

 private:
  std::string root_;
};

}  // namespace deltaforge::sinks::file
