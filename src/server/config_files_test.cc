#include "server/config_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "server/components.h"

namespace deltaforge::server {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string pipeline(const std::string& name) {
  return "metadata: {name: " + name +
         ", tenant: acme}\n"
         "spec:\n"
         "  source: {type: postgres, config: {id: pg, dsn: 'postgres://u@127.0.0.1/shop', slot: s, publication: p}}\n"
         "  sinks: [{type: blackhole, config: {id: hole}}]\n";
}

class ConfigFiles : public ::testing::Test {
 protected:
  ConfigFiles() {
    std::string pattern = (fs::temp_directory_path() / "df-config-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
  }
  ~ConfigFiles() override { fs::remove_all(directory_); }

  void write(const std::string& name, const std::string& text) {
    fs::create_directories((directory_ / name).parent_path());
    std::ofstream(directory_ / name) << text;
  }
  Configuration load_all() { return load({directory_.string()}, components()); }
  std::vector<std::string> names(const Configuration& configuration) {
    std::vector<std::string> names;
    for (const Document& document : configuration.documents) {
      std::string name = document.name;
      if (name.starts_with(directory_.string())) name = name.substr(directory_.string().size() + 1);
      names.push_back((document.spec ? "" : "bad ") + name);
    }
    return names;
  }
  std::string problems(const Configuration& configuration) {
    std::string all = configuration.storage_problems.text();
    for (const Document& document : configuration.documents) all += document.problems.text();
    std::string prefix = directory_.string() + "/";
    for (std::size_t at; (at = all.find(prefix)) != std::string::npos;) all.erase(at, prefix.size());
    return all;
  }

  fs::path directory_;
};

TEST_F(ConfigFiles, ADirectoryOfGoodAndBadFiles) {
  write("b.yaml", pipeline("b"));
  write("a.yml", pipeline("a1") + "---\n" + pipeline("a2"));
  write("deep/er/c.json", R"({"metadata": {"name": "c", "tenant": "t"}, "spec": {"source": {"type": "postgres",
      "config": {"id": "pg", "dsn": "postgres://u@127.0.0.1/x", "slot": "s", "publication": "p"}},
      "sinks": [{"type": "blackhole", "config": {"id": "hole"}}]}})");
  write("bad.yaml", "metadata: {name: bad, tenant: acme}\nspec: {}\n");
  write("worse.yaml", "metadata: [\n");
  write("notes.txt", "not a pipeline");
  write("..data/b.yaml", pipeline("b"));
  Configuration configuration = load_all();
  EXPECT_THAT(names(configuration), ElementsAre("a1", "a2", "b", "bad bad", "c", "bad worse.yaml"));
  EXPECT_TRUE(configuration.any_valid());
  EXPECT_FALSE(configuration.all_valid());
}

TEST_F(ConfigFiles, TheSecondOfANameIsRejected) {
  write("a.yaml", pipeline("same"));
  write("b.yaml", pipeline("other") + "---\n" + pipeline("same"));
  Configuration configuration = load_all();
  EXPECT_THAT(names(configuration), ElementsAre("same", "other", "bad b.yaml#2"));
  EXPECT_EQ(problems(configuration),
            "b.yaml:6:18: metadata.name: pipeline 'same' is defined in a.yaml already; rename one\n");
}

TEST_F(ConfigFiles, AFileWithASyntaxErrorIsNotTrustedInParts) {
  write("a.yaml", pipeline("good") + "---\n" + "metadata: {name: bad\nspec: [}\n");
  Configuration configuration = load_all();
  EXPECT_THAT(names(configuration), ElementsAre("bad a.yaml"));
  EXPECT_FALSE(configuration.any_valid());
}

TEST_F(ConfigFiles, StorageIsASectionOrADocumentOfItsOwn) {
  write("a.yaml", pipeline("a") + "storage: {backend: memory}\n");
  EXPECT_EQ(load_all().storage.backend, Backend::memory);
  write("a.yaml", pipeline("a"));
  write("storage.yaml", "storage:\n  backend: sqlite\n  path: /var/lib/df/state.db\n");
  Configuration configuration = load_all();
  EXPECT_EQ(configuration.storage.path, "/var/lib/df/state.db");
  EXPECT_THAT(names(configuration), ElementsAre("a"));
  EXPECT_TRUE(configuration.all_valid());
}

TEST_F(ConfigFiles, StorageProblems) {
  write("a.yaml", pipeline("a") + "storage: {backend: postgres}\n");
  write("b.yaml", "storage: {backend: memory}\n");
  Configuration configuration = load_all();
  EXPECT_EQ(problems(configuration),
            "a.yaml:5:20: storage.backend: not in this build: storage backend postgres; use sqlite or memory\n"
            "b.yaml:1:10: storage: storage is set at a.yaml:5:10 already; keep one section\n");
  EXPECT_FALSE(configuration.all_valid());
}

TEST_F(ConfigFiles, NothingToRead) {
  EXPECT_EQ(problems(load_all()), directory_.string() + ":1:1: no *.yaml, *.yml or *.json in this directory\n");
  Configuration missing = load({(directory_ / "none.yaml").string()}, components());
  EXPECT_EQ(problems(missing), "none.yaml:1:1: cannot read the file: No such file or directory\n");
  EXPECT_EQ(names(missing), std::vector<std::string>{"bad none.yaml"});
  write("empty.yaml", "# nothing\n");
  EXPECT_EQ(problems(load_all()), "empty.yaml:1:1: no document in it\n");
}

// --- the files below tests/config ---

std::string contents(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<fs::path> files_of(const std::string& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(fs::path(DF_SOURCE_DIR) / "tests/config" / folder))
    if (entry.path().extension() != ".expect") files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

// The variables that the book's examples use.
config::ParseOptions book_environment() {
  config::ParseOptions options;
  options.environment = [](std::string_view name) -> std::optional<std::string> {
    if (name == "POSTGRES_DSN") return "postgres://user:pass@127.0.0.1:5432/orders";
    if (name == "MYSQL_DSN") return "mysql://user:pass@127.0.0.1:3306/orders";
    if (name == "KAFKA_BROKERS") return "127.0.0.1:9092";
    if (name == "REDIS_URI") return "redis://127.0.0.1:6379";
    if (name == "NATS_URL") return "nats://127.0.0.1:4222";
    if (name.starts_with("NO_SUCH")) return std::nullopt;
    return "value-of-" + std::string(name);
  };
  return options;
}

// What `validate` prints for one file, with the file's name only.
std::string validated(const fs::path& path) {
  Configuration configuration = load({path.string()}, components(), book_environment());
  std::string text = configuration.storage_problems.text();
  for (const Document& document : configuration.documents) text += document.problems.text() + document.warnings.text();
  std::string prefix = path.parent_path().string() + "/";
  for (std::size_t at; (at = text.find(prefix)) != std::string::npos;) text.erase(at, prefix.size());
  // Whoever adds a component need not come here.
  const std::string_view choose = "choose from: ";
  for (const auto& types :
       {components().sources.types(), components().processors.types(), components().sinks.types()}) {
    const std::string all = fmt::format("{}{}\n", choose, fmt::join(types, ", "));
    for (std::size_t at; (at = text.find(all)) != std::string::npos;)
      text.replace(at, all.size(), fmt::format("{}...\n", choose));
  }
  return text;
}

// With DF_UPDATE_EXPECTED set, writes the file instead: read the diff.
void expect_as_recorded(const fs::path& path) {
  fs::path expected = path;
  expected.replace_extension(".expect");
  std::string found = validated(path);
  if (std::getenv("DF_UPDATE_EXPECTED") != nullptr) std::ofstream(expected) << found;
  EXPECT_EQ(found, contents(expected)) << path;
}

TEST(BrokenConfigs, EachIsRefusedWithPlaceAndRemedy) {
  auto files = files_of("broken");
  EXPECT_GE(files.size(), 40U);
  for (const fs::path& path : files) {
    SCOPED_TRACE(path);
    expect_as_recorded(path);
    EXPECT_NE(validated(path), "");
    EXPECT_FALSE(load({path.string()}, components(), book_environment()).all_valid());
  }
}

TEST(BookExamples, WhatUsesOnlyWhatExistsLoads) {
  for (const fs::path& path : files_of("book/loads")) {
    if (fs::exists(fs::path(path).replace_extension(".expect")))  // loads with warnings
      expect_as_recorded(path);
    else
      EXPECT_EQ(validated(path), "");
    EXPECT_TRUE(load({path.string()}, components(), book_environment()).all_valid()) << path;
  }
}

TEST(BookExamples, WhatNamesLaterFeaturesIsRefusedAsSuch) {
  auto files = files_of("book/later");
  for (const fs::path& path : files) {
    SCOPED_TRACE(path);
    Configuration configuration = load({path.string()}, components(), book_environment());
    EXPECT_FALSE(configuration.any_valid());
    for (const Document& document : configuration.documents) {
      EXPECT_EQ(document.error().kind, "unsupported");
      for (const auto& problem : document.problems.problems())
        EXPECT_THAT(problem.message, HasSubstr("not in this build: "));
    }
    expect_as_recorded(path);
  }
}

TEST(Examples, OfThisRepositoryLoad) {
  std::size_t seen = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(DF_SOURCE_DIR) / "examples")) {
    if (entry.path().extension() != ".yaml") continue;
    ++seen;
    EXPECT_EQ(validated(entry.path()), "");
  }
  EXPECT_GE(seen, 4U);
}

}  // namespace
}  // namespace deltaforge::server
