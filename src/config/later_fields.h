// Fields that the book gives every source or every sink and that this build only knows to refuse.
#pragma once

#include <cstdint>

#include "config/spec.h"

namespace deltaforge::config {

struct Snapshot {
  enum class Mode { never, initial, always };
  Mode mode = Mode::never;
  std::int64_t max_parallel_tables = 8, chunk_size = 10'000;
  bool intra_table_parallel = false;
  std::int64_t max_parallel_chunks = 4;

  static const Spec<Snapshot>& spec();
  void check(const Node&, Report&) const;
};

struct NotInThisBuild {};

// Declares a field that is refused whatever it holds, by `name`.
template <class T>
Spec<T>& add_later_field(Spec<T>& spec, const std::string& field, NotInThisBuild T::*member, const std::string& name,
                         const std::string& help) {
  auto refuse = [name](const Node& node, NotInThisBuild&, Report& report) {
    report.add(node, "not in this build: " + name + "; leave it out");
  };
  return spec.custom(field, member, help + "; not in this build.", refuse).shaped({.type = "nothing"});
}

}  // namespace deltaforge::config
