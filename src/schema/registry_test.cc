#include "schema/registry.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/hash.h"

namespace deltaforge::schema {
namespace {

TableSchema orders() {
  TableSchema schema;
  schema.connector = "postgresql";
  schema.source_id = "shop";
  schema.database = "app";
  schema.schema = "public";
  schema.table = "orders";
  schema.full_name = "public.orders";
  schema.columns = {{"id", "integer"}, {"note", "text"}};
  schema.key = {0};
  return schema;
}

TEST(Registry, EqualContentIsOneObject) {
  Registry registry;
  const TableSchema* first = registry.intern(orders());
  EXPECT_EQ(registry.intern(orders()), first);
  EXPECT_EQ(first->name_hash, xxh3_64(as_bytes("public.orders")));
  EXPECT_NE(first->id, 0u);
}

TEST(Registry, EveryDifferenceIsANewShapeAndOldOnesStay) {
  Registry registry;
  const TableSchema* first = registry.intern(orders());
  auto changed = [&](auto change) {
    TableSchema other = orders();
    change(other);
    const TableSchema* schema = registry.intern(std::move(other));
    EXPECT_NE(schema, first);
    EXPECT_NE(schema->id, first->id);
  };
  changed([](TableSchema& s) { s.columns[1].name = "remark"; });
  changed([](TableSchema& s) { s.columns[1].type = "varchar(5)"; });
  changed([](TableSchema& s) { s.columns.pop_back(); });
  changed([](TableSchema& s) { s.key = {}; });
  changed([](TableSchema& s) { s.key = {1}; });
  changed([](TableSchema& s) { s.full_name = "public.orders2"; });
  EXPECT_EQ(first->columns[1].name, "note");
  EXPECT_EQ(registry.intern(orders()), first);
}

TEST(Registry, IdsAreUniqueOverRegistries) {
  Registry a, b;
  EXPECT_NE(a.intern(orders())->id, b.intern(orders())->id);
}

}  // namespace
}  // namespace deltaforge::schema
