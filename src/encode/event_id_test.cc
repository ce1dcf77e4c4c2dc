// Golden vectors, made by an independent implementation (Python, xxhash 3): they pin the ids of every event that was
// ever delivered. A change here is a change of the contract.
//
//   h = xxh3_128(source + b"\0" + epoch + b"\0" + transaction)
//   e = xxh3_128(h + pack(">Q", xxh3_64(table)) + pack(">II", ordinal, fan_out))
//   id = ms as 48 bits, 7, e[0:12 bits], binary 10, e[12:74 bits]
#include "core/event_id.h"

#include <gtest/gtest.h>

#include "encode/idempotency_key.h"

namespace deltaforge {
namespace {

struct Vector {
  std::string source, epoch, transaction;
  std::int64_t ts_us;
  std::string table;
  std::uint32_t ordinal, fan_out;
  std::string id;
};

EventId id_of(const Vector& v) {
  TableSchema schema;
  schema.name_hash = xxh3_64(as_bytes(v.table));
  Commit commit;
  commit.ts_us = v.ts_us;
  commit.id_hash = transaction_hash(v.source, v.epoch, v.transaction);
  Event event;
  event.schema = &schema;
  event.ordinal = v.ordinal;
  event.fan_out = v.fan_out;
  return event_id(commit, event);
}

TEST(EventId, GoldenVectors) {
  constexpr std::uint32_t kMax = 4'294'967'295;
  const Vector vectors[] = {
      {"orders-db", "1", "0/16B6C50", 1764000000123456, "public.orders", 1, 0, "019ab697-e87b-749b-9ba5-f0dd1ff96eed"},
      {"orders-db", "1", "0/16B6C50", 1764000000123456, "public.orders", 2, 0, "019ab697-e87b-7ce2-ac71-6bd3e51f7f63"},
      {"orders-db", "1", "0/16B6C50", 1764000000123456, "public.orders", 1, 1, "019ab697-e87b-7f9c-a3df-bce0385e72c5"},
      {"orders-db", "2", "0/16B6C50", 1764000000123456, "public.orders", 1, 0, "019ab697-e87b-7d60-a881-da22b6de8a44"},
      {"orders-db", "1", "FFFFFFFF/FFFFFFFF", 0, "public.orders", kMax, kMax, "00000000-0000-76ee-b4ed-b69d52570413"},
      // Before 1970 the time bits are zero.
      {"orders-db", "1", "0/1", -1, "public.orders", 1, 0, "00000000-0000-730f-8675-7f9f5e23f2f6"},
      {"orders-db", "1", "0/1", 999, "public.orders", 1, 0, "00000000-0000-730f-8675-7f9f5e23f2f6"},
      {"orders-db", "1", "0/1", 1000, "public.orders", 1, 0, "00000000-0001-730f-8675-7f9f5e23f2f6"},
      {"", "", "", 281474976710655999, "", 0, 0, "ffffffff-ffff-74d8-aa7c-b24a11bb6683"},
      {"Заказы", "1", "3E11FA47-71CA-11E1-9E33-C80AA9429562:23", 1764000000999999, "schäma.テーブル", 50000, 0,
       "019ab697-ebe7-7e45-8d56-fb37058d4ddd"},
      // Longer than the buffer on the stack.
      {std::string(600, 's'), "1", "0/2", 1764000000123456, "message:audit", 7, 3,
       "019ab697-e87b-74c7-b144-62a69210807f"},
  };
  for (const Vector& v : vectors) EXPECT_EQ(to_string(id_of(v)), v.id) << v.source << ' ' << v.transaction;
}

TEST(IdempotencyKey, GoldenVectors) {
  TableSchema schema{.database = "shop", .schema = "public", .table = "orders", .full_name = "public.orders"};
  schema.name_hash = xxh3_64(as_bytes(schema.full_name));
  Commit commit;
  commit.ts_us = 1764000000123456;
  commit.id_hash = transaction_hash("orders-db", "1", "0/16B6C50");
  commit.transaction_id = "731";
  Event event;
  event.schema = &schema;
  event.ordinal = 1;
  Slab out;
  encode::append_idempotency_key("", commit, event, out);
  EXPECT_EQ(out.view(), "_|shop.orders|731|019ab697-e87b-749b-9ba5-f0dd1ff96eed");
  out.clear();
  commit.transaction_id = {};
  encode::append_idempotency_key("acme", commit, event, out);
  EXPECT_EQ(out.view(), "acme|shop.orders||019ab697-e87b-749b-9ba5-f0dd1ff96eed");
}

}  // namespace
}  // namespace deltaforge
