#include "config/later_fields.h"

namespace deltaforge::config {

const Spec<Snapshot>& Snapshot::spec() {
  static const auto s =
      Spec<Snapshot>("snapshot", "Reading of the rows that exist already.")
          .choice("mode", &Snapshot::mode, "When it is done; only `never` in this build.",
                  {{"never", Mode::never}, {"initial", Mode::initial}, {"always", Mode::always}})
          .field("max_parallel_tables", &Snapshot::max_parallel_tables, "Tables that are read at a time.", {.min = 1})
          .field("chunk_size", &Snapshot::chunk_size, "Rows of one query.", {.min = 1})
          .field("intra_table_parallel", &Snapshot::intra_table_parallel, "Whether one table is read in parallel.")
          .field("max_parallel_chunks", &Snapshot::max_parallel_chunks, "Queries at a time for one table.", {.min = 1});
  return s;
}

void Snapshot::check(const Node& node, Report& report) const {
  if (mode != Mode::never) report.add(node, "not in this build: snapshot; write mode: never, or leave it out");
}

}  // namespace deltaforge::config
