#include "sinks/stdout/pretty.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sinks/testing/batch_builder.h"

namespace deltaforge::sinks::stdout {
namespace {

// The line behind "16:00:00.124 ", which all events of the first transaction have.
std::string line(const Delivery& delivery, bool colour = false, std::uint32_t index = 0) {
  PrettyEncoder pretty(colour);
  Slab out;
  EXPECT_EQ(pretty.encode(*delivery.batch, delivery.batch->event(index), out), "");
  std::string text(out.view());
  EXPECT_EQ(text.substr(0, 13), "16:00:00.124 ");
  return text.substr(13);
}

TEST(Pretty, EveryOperation) {
  testing::BatchBuilder batches;
  batches.insert(1, "x");
  batches.update(2, "new", "paid");
  batches.remove(3);
  batches.truncate();
  batches.insert(4).op = Op::read;
  Delivery delivery = batches.build();
  EXPECT_EQ(line(delivery, false, 0), "INSERT   public.orders 1  customer: customer-1, note: x");
  EXPECT_EQ(line(delivery, false, 1), "UPDATE   public.orders 2  note: new -> paid");
  EXPECT_EQ(line(delivery, false, 2), "DELETE   public.orders 3  customer: customer-3, note: gone");
  EXPECT_EQ(line(delivery, false, 3), "TRUNCATE public.orders");
  EXPECT_EQ(line(delivery, false, 4), "READ     public.orders 4  customer: customer-4, note: a note");
  EXPECT_EQ(line(delivery, true, 0), "\x1b[32mINSERT  \x1b[0m public.orders 1  customer: customer-1, note: x");
}

TEST(Pretty, UpdatesShowWhatIsKnown) {
  testing::BatchBuilder batches;
  Event& without_before = batches.update(1, "a", "b");
  without_before.before = {};
  Event& key_change = batches.update(3, "a", "b");
  std::vector<Value> key_only = {Value::int64(2), Value::absent(), Value::absent()};
  key_change.before = {key_only, true};
  Event& toast = batches.update(4, "a", "b");
  std::vector<Value> after = {Value::int64(4), Value::null(), Value::unchanged()};
  toast.after = {after, true};
  batches.update(5, "same", "same");
  Delivery delivery = batches.build();
  EXPECT_EQ(line(delivery, false, 0), "UPDATE   public.orders 1  customer: customer-1, note: b");
  EXPECT_EQ(line(delivery, false, 1), "UPDATE   public.orders 3  id: 2 -> 3, customer: customer-3, note: b");
  EXPECT_EQ(line(delivery, false, 2), "UPDATE   public.orders 4  customer: customer-4 -> null");
  EXPECT_EQ(line(delivery, false, 3), "UPDATE   public.orders 5");
}

std::string note(const Value& value) {
  testing::BatchBuilder batches;
  Event& event = batches.insert(1);
  std::vector<Value> values = {Value::int64(1), Value::absent(), value};
  event.after = {values, true};
  return line(batches.build()).substr(32);
}

TEST(Pretty, Values) {
  EXPECT_EQ(note(Value::null()), "null");
  EXPECT_EQ(note(Value::boolean(true)), "true");
  EXPECT_EQ(note(Value::uint64(18446744073709551615u)), "18446744073709551615");
  EXPECT_EQ(note(Value::float32(0.1f)), "0.1");
  EXPECT_EQ(note(Value::float64(1e300)), "1e+300");
  EXPECT_EQ(note(Value::of_text(Kind::bytes, "abc")), "(3 bytes)");
  EXPECT_EQ(note(Value::of_text(Kind::json, "{\n\"a\":1}")), "{\\n\"a\":1}");
  std::vector<Value> items = {Value::int64(1), Value::null(), Value::of_text(Kind::text, "x")};
  EXPECT_EQ(note(Value::array(items)), "[1, null, x]");
  std::vector<Value> many(500, Value::int64(1234567));
  EXPECT_LT(note(Value::array(many)).size(), 90u);
}

TEST(Pretty, TextIsCutAndCannotControlTheTerminal) {
  auto text = [](std::string_view t) { return note(Value::of_text(Kind::text, t)); };
  EXPECT_EQ(text("tab\t nl\n cr\r esc\x1b[31m del\x7f"), "tab\\t nl\\n cr\\x0d esc\\x1b[31m del\\x7f");
  EXPECT_EQ(text("C1 \xC2\x9B"
                 "31m"),
            "C1 \\xc2\\x9b31m");
  EXPECT_EQ(text("\xFF\xC3"), "\\xff\\xc3");
  EXPECT_EQ(text("Заказ 🦊"), "Заказ 🦊");
  EXPECT_EQ(text(std::string(60, 'x')), std::string(60, 'x'));
  EXPECT_EQ(text(std::string(61, 'x')), std::string(60, 'x') + "…");
  // Never half a character.
  EXPECT_EQ(text(std::string(59, 'x') + "🦊🦊"), std::string(59, 'x') + "🦊…");
}

}  // namespace
}  // namespace deltaforge::sinks::stdout
