// Which tables belong into which publication. Pure: the catalogue's rows in, the differences out.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace deltaforge::sources::postgres {

// An ordinary or partitioned table of the database.
struct CatalogueTable {
  std::uint32_t oid = 0;
  std::string schema, table;
  bool logged = true;                    // its changes are in the log: neither unlogged nor temporary
  bool has_identity = true;              // UPDATE and DELETE can be published, of all its partitions as well
  bool full_identity = false;            // REPLICA IDENTITY FULL
  bool in_main = false;                  // a member of the publication
  bool in_inserts = false;               // a member of the one for tables without identity
  std::vector<std::uint32_t> ancestors;  // of a partition, up to its root

  std::string name() const { return schema + "." + table; }
};

using Captures = std::function<bool(std::string_view schema, std::string_view table)>;

// The captured tables that can be published by themselves: a partition whose root is captured comes with its root.
std::vector<const CatalogueTable*> captured_tables(const std::vector<CatalogueTable>&, const Captures&);

struct MembershipChange {
  std::vector<const CatalogueTable*> add_to_main, add_to_inserts;    // new ones
  std::vector<const CatalogueTable*> move_to_main, move_to_inserts;  // gained, or lost, an identity
  bool empty() const {
    return add_to_main.empty() && add_to_inserts.empty() && move_to_main.empty() && move_to_inserts.empty();
  }
};

MembershipChange membership_change(const std::vector<CatalogueTable>&, const Captures&);

}  // namespace deltaforge::sources::postgres
