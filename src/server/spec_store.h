// The documents of pipelines that were made through the API, so that they come back after a restart. In the store, each
// sealed as a whole: the database alone reveals nothing of them. Variables are kept unexpanded.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "core/component.h"
#include "core/store.h"
#include "server/document.h"
#include "server/seal.h"

namespace deltaforge::server {

// How a document from a request is read: variables in secrets only. `file` stands in front of its problems.
std::vector<Document> read_request(const std::string& text, const std::string& file, const Catalogue& catalogue);

// What stands for the file of such a document.
std::string kept_as(const std::string& name);

// The store's namespace of removals that were begun.
inline constexpr char kRemovals[] = "removals";  // by the pipeline's name

class SpecStore {
 public:
  // `store` must outlive it. `key_file`: see seal.h.
  SpecStore(Store& store, const Catalogue& catalogue, std::string key_file)
      : store_(store), catalogue_(catalogue), seal_(std::move(key_file)) {}

  // Durable when it returns. Throws Error{storage}.
  void keep(const std::string& name, const config::Node& root);
  void forget(const std::string& name);
  // A removal takes several steps, on the source's server and here. Marked before the first and after the last, so that
  // one that a kill cuts short is finished by the next start. Throw Error{storage}.
  void begin_removal(const std::string& name);
  void end_removal(const std::string& name);
  bool removal_begun(const std::string& name) const;
  std::vector<std::string> removals() const;  // the names
  // What was kept, checked. One that cannot be opened is a document with that problem.
  std::vector<Document> load();

 private:
  Store& store_;
  const Catalogue& catalogue_;
  std::mutex mutex_;  // guards seal_
  Seal seal_;
};

}  // namespace deltaforge::server
