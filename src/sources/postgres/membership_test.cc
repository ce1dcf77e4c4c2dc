#include "sources/postgres/membership.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deltaforge::sources::postgres {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

CatalogueTable table(std::uint32_t oid, std::string name) {
  CatalogueTable table;
  table.oid = oid;
  table.schema = "public";
  table.table = std::move(name);
  return table;
}
std::vector<std::string> names(const std::vector<const CatalogueTable*>& tables) {
  std::vector<std::string> names;
  for (const CatalogueTable* table : tables) names.push_back(table->table);
  return names;
}
bool all(std::string_view, std::string_view) { return true; }

TEST(Membership, NewTablesGoWhereTheirIdentityAllows) {
  std::vector<CatalogueTable> tables{table(1, "keyed"),         table(2, "keyless"),  table(3, "known"),
                                     table(4, "known_keyless"), table(5, "unlogged"), table(6, "system")};
  tables[1].has_identity = false;
  tables[2].in_main = true;
  tables[3].has_identity = false;
  tables[3].in_inserts = true;
  tables[4].logged = false;
  tables[5].schema = "pg_catalog";
  auto change = membership_change(tables, all);
  EXPECT_THAT(names(change.add_to_main), ElementsAre("keyed"));
  EXPECT_THAT(names(change.add_to_inserts), ElementsAre("keyless"));
  EXPECT_THAT(change.move_to_main, IsEmpty());
  EXPECT_THAT(change.move_to_inserts, IsEmpty());
}

TEST(Membership, TablesMoveWithTheirIdentity) {
  std::vector<CatalogueTable> tables{table(1, "gained"), table(2, "lost")};
  tables[0].in_inserts = true;
  tables[1].has_identity = false;
  tables[1].in_main = true;
  auto change = membership_change(tables, all);
  EXPECT_THAT(names(change.move_to_main), ElementsAre("gained"));
  EXPECT_THAT(names(change.move_to_inserts), ElementsAre("lost"));
  EXPECT_FALSE(change.empty());
}

TEST(Membership, OnlyWhatIsCaptured) {
  std::vector<CatalogueTable> tables{table(1, "orders"), table(2, "other")};
  auto change = membership_change(tables, [](auto, std::string_view name) { return name == "orders"; });
  EXPECT_THAT(names(change.add_to_main), ElementsAre("orders"));
}

TEST(Membership, PartitionsComeWithTheirRoot) {
  std::vector<CatalogueTable> tables{table(1, "root"), table(2, "middle"), table(3, "leaf")};
  tables[1].ancestors = {1};
  tables[2].ancestors = {2, 1};
  EXPECT_THAT(names(captured_tables(tables, all)), ElementsAre("root"));
  // A pattern that names a partition only means that partition.
  EXPECT_THAT(names(captured_tables(tables, [](auto, std::string_view name) { return name == "leaf"; })),
              ElementsAre("leaf"));
  tables[0].in_main = true;
  EXPECT_TRUE(membership_change(tables, all).empty());
}

}  // namespace
}  // namespace deltaforge::sources::postgres
