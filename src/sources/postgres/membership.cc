#include "sources/postgres/membership.h"

#include <unordered_set>

#include "sources/postgres/relations.h"

namespace deltaforge::sources::postgres {

std::vector<const CatalogueTable*> captured_tables(const std::vector<CatalogueTable>& tables,
                                                   const Captures& captures) {
  std::unordered_set<std::uint32_t> matched;
  for (const CatalogueTable& table : tables)
    if (table.logged && !is_system_schema(table.schema) && captures(table.schema, table.table))
      matched.insert(table.oid);
  std::vector<const CatalogueTable*> captured;
  for (const CatalogueTable& table : tables) {
    bool with_its_root = false;
    for (std::uint32_t ancestor : table.ancestors) with_its_root = with_its_root || matched.contains(ancestor);
    if (matched.contains(table.oid) && !with_its_root) captured.push_back(&table);
  }
  return captured;
}

MembershipChange membership_change(const std::vector<CatalogueTable>& tables, const Captures& captures) {
  MembershipChange change;
  for (const CatalogueTable* table : captured_tables(tables, captures)) {
    bool right = table->has_identity ? table->in_main : table->in_inserts;
    bool wrong = table->has_identity ? table->in_inserts : table->in_main;
    if (wrong)
      (table->has_identity ? change.move_to_main : change.move_to_inserts).push_back(table);
    else if (!right)
      (table->has_identity ? change.add_to_main : change.add_to_inserts).push_back(table);
  }
  return change;
}

}  // namespace deltaforge::sources::postgres
