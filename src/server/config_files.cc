#include "server/config_files.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace deltaforge::server {

namespace fs = std::filesystem;
using config::Node;

namespace {

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with("."); }

bool is_pipeline_file(const fs::path& path) {
  fs::path ending = path.extension();
  return ending == ".yaml" || ending == ".yml" || ending == ".json";
}

// Hidden entries are left out: a mounted ConfigMap holds every file a second time below `..data`.
std::vector<std::string> files_below(const fs::path& directory) {
  std::vector<std::string> files;
  for (auto at = fs::recursive_directory_iterator(directory); at != fs::recursive_directory_iterator(); ++at) {
    if (is_hidden(at->path())) {
      at.disable_recursion_pending();
      continue;
    }
    if (is_pipeline_file(at->path()) && fs::is_regular_file(at->path())) files.push_back(at->path().string());
  }
  std::ranges::sort(files);
  return files;
}

Document unreadable(const std::string& path, std::string message) {
  Document document;
  document.name = document.file = path;
  document.problems.add(config::Problem{path, {}, "", std::move(message)});
  return document;
}

class Loader {
 public:
  Loader(const Catalogue& catalogue, const config::ParseOptions& options) : catalogue_(catalogue), options_(options) {}

  void take_path(const std::string& path) try {
    if (!fs::is_directory(path)) return take_file(path);
    std::vector<std::string> files = files_below(path);
    if (files.empty()) add(unreadable(path, "no *.yaml, *.yml or *.json in this directory"));
    for (const std::string& file : files) take_file(file);
  } catch (const fs::filesystem_error& error) {
    add(unreadable(path, fmt::format("cannot be read: {}", error.code().message())));
  }

  Configuration finish() { return std::move(result_); }

 private:
  void take_file(const std::string& path) {
    config::Report syntax;
    std::vector<config::Document> parsed = config::parse_file(path, syntax, options_);
    // A text with a syntax error is not to be trusted as a whole: its documents are one, which cannot run.
    Document broken;
    broken.name = broken.file = path;
    broken.problems = syntax;
    for (std::size_t i = 0; i < parsed.size(); ++i) {
      const Node& root = parsed[i].root;
      take_storage(root);
      bool storage_alone = root.is_map() && root.find("storage") != nullptr && root.children().size() == 1;
      if (storage_alone) continue;
      Document document = check_document(root, i == 0 ? path : fmt::format("{}#{}", path, i + 1), catalogue_);
      if (syntax.ok()) {
        add_unique(std::move(document), root);
      } else {
        for (const config::Problem& problem : document.problems.problems()) broken.problems.add(problem);
      }
    }
    if (!syntax.ok()) add(std::move(broken));
  }

  void take_storage(const Node& root) {
    const Node* section = root.find("storage");
    if (section == nullptr) return;
    if (first_storage_) {
      result_.storage_problems.add(*section,
                                   fmt::format("storage is set at {} already; keep one section", *first_storage_));
      return;
    }
    first_storage_ = fmt::format("{}:{}:{}", section->file(), section->line(), section->column());
    StorageOptions::spec().parse(*section, result_.storage, result_.storage_problems);
    result_.storage.check(*section, result_.storage_problems);
  }

  // A name belongs to the first document that has it.
  void add_unique(Document document, const Node& root) {
    auto [first, is_new] = names_.try_emplace(document.name, document.file);
    if (!is_new) {
      document.problems.add(
          *root.find("metadata"), "name",
          fmt::format("pipeline '{}' is defined in {} already; rename one", document.name, first->second));
      document.spec.reset();
      document.name = document.fallback_name;
    }
    add(std::move(document));
  }

  void add(Document document) { result_.documents.push_back(std::move(document)); }

  const Catalogue& catalogue_;
  const config::ParseOptions& options_;
  Configuration result_;
  std::map<std::string, std::string> names_;  // and the file of each
  std::optional<std::string> first_storage_;
};

}  // namespace

Configuration load(const std::vector<std::string>& paths, const Catalogue& catalogue,
                   const config::ParseOptions& options) {
  Loader loader(catalogue, options);
  for (const std::string& path : paths) loader.take_path(path);
  return loader.finish();
}

bool Configuration::any_valid() const {
  return std::ranges::any_of(documents, [](const Document& document) { return document.spec.has_value(); });
}

bool Configuration::all_valid() const {
  return storage_problems.ok() &&
         std::ranges::all_of(documents, [](const Document& document) { return document.spec.has_value(); });
}

}  // namespace deltaforge::server
