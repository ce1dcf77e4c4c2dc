#include "server/spec_store.h"

#include "base/error.h"
#include "config/edit.h"
#include "config/parse.h"

namespace deltaforge::server {
namespace {

constexpr char kSpecs[] = "specs";  // by the pipeline's name

}  // namespace

std::string kept_as(const std::string& name) { return "pipeline '" + name + "', made through the API"; }

std::vector<Document> read_request(const std::string& text, const std::string& file, const Catalogue& catalogue) {
  config::Report syntax;
  config::ParseOptions options;
  options.expansion = config::Expansion::secrets_only;
  std::vector<Document> documents;
  for (const config::Document& parsed : config::parse(text, file, syntax, options))
    documents.push_back(check_document(parsed.root, file, catalogue));
  if (syntax.ok()) return documents;
  Document broken;
  broken.name = broken.file = file;
  broken.problems = syntax;
  documents.clear();
  documents.push_back(std::move(broken));
  return documents;
}

void SpecStore::keep(const std::string& name, const config::Node& root) {
  std::lock_guard lock(mutex_);
  const std::string text = config::write(root);
  config::Report problems;
  config::parse(text, "it", problems);
  if (!problems.ok())
    throw Error(ErrorKind::limit, "keeping the document: written out, it could not be read again: " + problems.text(),
                "make it smaller");
  const bool first = store_.keys(kSpecs, "").empty();
  const Store::Entry entry{kSpecs, name, seal_.close(text, name, first)};
  store_.put({&entry, 1});
}

void SpecStore::forget(const std::string& name) { store_.erase(kSpecs, name); }

void SpecStore::begin_removal(const std::string& name) {
  const Store::Entry entry{kRemovals, name, "begun"};
  store_.put({&entry, 1});
}

void SpecStore::end_removal(const std::string& name) { store_.erase(kRemovals, name); }

bool SpecStore::removal_begun(const std::string& name) const { return store_.get(kRemovals, name).has_value(); }

std::vector<std::string> SpecStore::removals() const { return store_.keys(kRemovals, ""); }

std::vector<Document> SpecStore::load() {
  std::lock_guard lock(mutex_);
  std::vector<Document> documents;
  for (const std::string& name : store_.keys(kSpecs, "")) {
    const std::string file = kept_as(name);
    Document document;
    try {
      document =
          std::move(read_request(seal_.open(store_.get(kSpecs, name).value_or(""), name), file, catalogue_).at(0));
    } catch (const Error& error) {
      document.file = file;
      document.problems.add(config::Problem{file, {}, "", error.what()});
    }
    document.name = document.fallback_name = name;
    document.from_api = true;
    documents.push_back(std::move(document));
  }
  return documents;
}

}  // namespace deltaforge::server
