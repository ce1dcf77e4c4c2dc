#include "processors/flatten/flatten.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/error.h"
#include "processors/testing/batch.h"

namespace deltaforge::processors::flatten {
namespace {

using testing::json;
using testing::number;
using testing::TestBatch;
using testing::text;

class FlattenTest : public ::testing::Test {
 protected:
  // The `after` that becomes of a row with this document and these tags.
  std::string after(std::string_view document, const Value& tags = Value::null()) {
    TestBatch batch;
    batch.insert({number(1), Value::absent(), Value::absent(), json(document), tags});
    batch.commit();
    Flatten(config_, {"p", ""}).process(batch.batch());
    const std::string all = batch.text(0);
    const std::size_t begin = all.find(R"("after":)") + 8;
    return all.substr(begin, all.find(R"(,"source":)") - begin);
  }

  Config config_;
};

TEST_F(FlattenTest, JoinsTheNames) {
  EXPECT_EQ(
      after(R"({"customer": {"id": 1, "address": {"city": "B\u00fc\n", "zip": "10"}}, "tags": ["vip"], "meta": {}})"),
      R"({"id":1,"doc__customer__id":1,"doc__customer__address__city":"B\u00fc\n","doc__customer__address__zip":"10",)"
      R"("doc__tags":["vip"],"doc__meta":{},"tags":null})");
  config_.separator = ".";
  EXPECT_EQ(after(R"({"a":{"b":[{"c":1}]}})"), R"({"id":1,"doc.a.b":[{"c":1}],"tags":null})");
  config_.separator = "\"";
  EXPECT_EQ(after(R"({"a":true})"), R"({"id":1,"doc\"a":true,"tags":null})");
}

TEST_F(FlattenTest, MaxDepthKeepsTheRestWhole) {
  config_.max_depth = 1;
  EXPECT_EQ(after(R"({"address":{"geo":{"lat":52.5},"city":"B","none":{}}})"),
            R"({"id":1,"doc__address":{"geo":{"lat":52.5},"city":"B","none":{}},"tags":null})");
  config_.max_depth = 2;
  EXPECT_EQ(
      after(R"({"address":{"geo":{"lat":52.5},"city":"B","none":{}}})"),
      R"({"id":1,"doc__address__geo":{"lat":52.5},"doc__address__city":"B","doc__address__none":{},"tags":null})");
  config_.max_depth = 0;
  EXPECT_EQ(after(R"({"a":1})"), R"({"id":1,"doc":{"a":1},"tags":null})");
}

TEST_F(FlattenTest, EmptyOnesFollowTheirPolicy) {
  const std::string_view document = R"({"o":{ },"l":[ ],"in":{"o":{}}})";
  config_.empty_object = OnEmpty::drop;
  config_.empty_list = OnEmpty::null;
  EXPECT_EQ(after(document), R"({"id":1,"doc__l":null,"tags":null})");
  config_.empty_object = OnEmpty::null;
  config_.empty_list = OnEmpty::drop;
  EXPECT_EQ(after(document), R"({"id":1,"doc__o":null,"doc__in__o":null,"tags":null})");
  EXPECT_EQ(after("{}"), R"({"id":1,"doc":null,"tags":null})") << "a column itself";
}

TEST_F(FlattenTest, ListsByIndex) {
  config_.lists = Lists::index;
  const Value tags[] = {text("x"), Value::null()};
  EXPECT_EQ(after(R"({"l":[1,{"a":[true,[]]}]})", Value::array(tags)),
            R"({"id":1,"doc__l__0":1,"doc__l__1__a__0":true,"doc__l__1__a__1":[],"tags__0":"x","tags__1":null})");
  config_.max_depth = 1;
  EXPECT_EQ(after(R"([[1]])"), R"({"id":1,"doc__0":[1],"tags":null})");
}

TEST_F(FlattenTest, AListOfEmptyOnesIsNotEmpty) {
  config_.lists = Lists::index;
  config_.empty_object = OnEmpty::drop;
  config_.empty_list = OnEmpty::drop;
  EXPECT_EQ(after(R"({"lines":[{},{"sku":7}],"l":[[],1]})"),
            R"({"id":1,"doc__lines__1__sku":7,"doc__l__1":1,"tags":null})");
  config_.lists = Lists::preserve;
  EXPECT_EQ(after(R"({"l":[[],1],"o":[{}]})"), R"({"id":1,"doc__l":[[],1],"doc__o":[{}],"tags":null})");
}

TEST_F(FlattenTest, WhatIsNoObjectStaysWhole) {
  TestBatch batch;
  batch.insert({number(1), Value::unchanged(), Value::of_text(Kind::bytes, "\x01"), json(R"({"a":1})")});
  batch.commit();
  Flatten flatten({}, {"p", ""});
  flatten.process(batch.batch());
  const std::string once = batch.text(0);
  EXPECT_NE(once.find(R"("status":{"_unchanged":true},"total":{"_base64":"AQ=="},"doc__a":1)"), std::string::npos)
      << once;
  flatten.process(batch.batch());
  EXPECT_EQ(batch.text(0), once);
}

// An application's own object may begin like bytes do: what else it holds must not hide behind that.
TEST_F(FlattenTest, OnlyTheExactMarkOfBytesIsOneValue) {
  EXPECT_EQ(after(R"({"_base64":"x","email":"canary"})"),
            R"({"id":1,"doc___base64":"x","doc__email":"canary","tags":null})");
  EXPECT_EQ(after(R"({"a":{"_base64":"AQ=="},"b":{"_unchanged":true},"c":{"_base64":"x","d":1}})"),
            R"({"id":1,"doc__a":{"_base64":"AQ=="},"doc__b":{"_unchanged":true},"doc__c___base64":"x","doc__c__d":1,)"
            R"("tags":null})");
  EXPECT_EQ(after(R"({"a":{"_base64":"\"}","d":1},"b":{"_base64":7},"c":{"_unchanged":true,"d":1}})"),
            R"({"id":1,"doc__a___base64":"\"}","doc__a__d":1,"doc__b___base64":7,"doc__c___unchanged":true,)"
            R"("doc__c__d":1,"tags":null})");
  config_.lists = Lists::index;
  EXPECT_EQ(after(R"([{"_base64":"x","d":1},{"_base64":"AQ=="}])"),
            R"({"id":1,"doc__0___base64":"x","doc__0__d":1,"doc__1":{"_base64":"AQ=="},"tags":null})");
}

TEST_F(FlattenTest, Collisions) {
  const std::string_view document = R"({"a__b":1,"a":{"b":2},"c":3})";
  EXPECT_EQ(after(document), R"({"id":1,"doc__a__b":2,"doc__c":3,"tags":null})");
  config_.on_collision = OnCollision::first;
  EXPECT_EQ(after(document), R"({"id":1,"doc__a__b":1,"doc__c":3,"tags":null})");
  config_.on_collision = OnCollision::error;
  try {
    after(document);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("two fields become \"doc__a__b\""), std::string::npos) << error.what();
  }
}

// One name however it is escaped: a record never has it twice.
TEST_F(FlattenTest, NamesThatDifferByEscapesOnlyCollide) {
  const std::string_view document = R"({"x":1,"\u0078":2,"gr\u00f6\u00dfe":{"\"":3}})";
  EXPECT_EQ(after(document), R"({"id":1,"doc__x":2,"doc__größe__\"":3,"tags":null})");
  config_.on_collision = OnCollision::first;
  EXPECT_EQ(after(document), R"({"id":1,"doc__x":1,"doc__größe__\"":3,"tags":null})");
  config_.on_collision = OnCollision::error;
  EXPECT_THROW(after(document), Error);
  EXPECT_THROW(after(R"({"\ud83d":1,"\uD83D":2})"), Error) << "half a character";
  EXPECT_EQ(after(R"({"a":1,"b\u0061":2})"), R"({"id":1,"doc__a":1,"doc__ba":2,"tags":null})");
}

TEST_F(FlattenTest, AnEscapedNameOfTheEnvelopeIsItsOwnToo) {
  config_.separator = "_";
  config_.on_collision = OnCollision::error;
  TestBatch batch;
  Extra extra;
  extra.members = R"("ev\u0065nt":{"\u0069d":"evil"})";
  batch.insert({number(1), Value::null(), Value::null(), Value::null()}).extra = &extra;
  batch.commit();
  EXPECT_THROW(Flatten(config_, {"p", ""}).process(batch.batch()), Error);
}

TEST_F(FlattenTest, AColumnAndAFieldOfOneNameCollide) {
  for (const std::size_t column : {1, 4}) {  // before and behind the document
    const auto after = [&](OnCollision on_collision) {
      config_.on_collision = on_collision;
      TestBatch batch;
      batch.schema().columns[column].name = "doc__a";
      std::vector<Value> row = {number(1), Value::absent(), Value::absent(), json(R"({"a":2,"b":3})"), Value::absent()};
      row[column] = number(7);
      batch.insert({row[0], row[1], row[2], row[3], row[4]});
      batch.commit();
      Flatten(config_, {"p", ""}).process(batch.batch());
      const std::string all = batch.text(0);
      const std::size_t begin = all.find(R"("after":)") + 8;
      return all.substr(begin, all.find(R"(,"source":)") - begin);
    };
    const bool before = column == 1;
    EXPECT_EQ(after(OnCollision::last),
              before ? R"({"id":1,"doc__a":2,"doc__b":3})" : R"({"id":1,"doc__a":7,"doc__b":3})");
    EXPECT_EQ(after(OnCollision::first),
              before ? R"({"id":1,"doc__a":7,"doc__b":3})" : R"({"id":1,"doc__a":2,"doc__b":3})");
    EXPECT_THROW(after(OnCollision::error), Error);
  }
}

TEST_F(FlattenTest, AnEventThatFailsIsADeadLetterOrDropped) {
  config_.on_collision = OnCollision::error;
  for (const OnError on_error : {OnError::dlq, OnError::drop}) {
    config_.on_error = on_error;
    EXPECT_EQ(config_.needs_journal(), on_error == OnError::dlq);
    std::vector<std::string> set_aside;
    ProcessorContext context{"p", ""};
    context.set_aside = [&](const Batch& batch, std::uint32_t event, std::string reason) {
      EXPECT_FALSE(batch.event(event).dropped);
      EXPECT_EQ(batch.event(event).extra, nullptr) << "as it came in";
      set_aside.push_back(std::to_string(event) + ": " + reason);
    };
    TestBatch batch;
    for (const char* document : {R"({"a":{"b":1}})", R"({"a__b":1,"a":{"b":2}})", R"({"c":3})"})
      batch.update({number(1), Value::null(), Value::unchanged(), json(document)},
                   {number(1), Value::null(), Value::unchanged(), json(document)});
    Flatten(config_, context).process(batch.batch());
    EXPECT_FALSE(batch.batch().event(0).dropped || batch.batch().event(2).dropped);
    EXPECT_TRUE(batch.batch().event(1).dropped);
    if (on_error == OnError::dlq)
      EXPECT_EQ(set_aside, (std::vector<std::string>{"1: two fields become \"doc__a__b\""}));
    else
      EXPECT_TRUE(set_aside.empty());
  }
}

TEST_F(FlattenTest, BothImagesAndExtensions) {
  TestBatch batch;
  Extra extra;
  extra.members = R"("more":{"a":1})";
  Event& event = batch.update({number(1), text("{\"is\":\"text\"}"), Value::unchanged(), json(R"({"a":1})")},
                              {number(1), text("{\"is\":\"text\"}"), Value::unchanged(), json(R"({"b":{"c":2}})")});
  event.extra = &extra;
  Flatten({}, {"p", ""}).process(batch.batch());
  const std::string all = batch.text(0);
  EXPECT_NE(
      all.find(
          R"({"before":{"id":1,"status":"{\"is\":\"text\"}","total":{"_unchanged":true},"doc__a":1,"tags":null},)"
          R"("after":{"id":1,"status":"{\"is\":\"text\"}","total":{"_unchanged":true},"doc__b__c":2,"tags":null},)"),
      std::string::npos)
      << all;
  EXPECT_TRUE(all.ends_with(R"(,"more__a":1})")) << all;
}

TEST_F(FlattenTest, TheEnvelopesOwnMembersStay) {
  config_.separator = "_";
  Extra extra;
  const auto record = [&](std::string_view members) {
    TestBatch batch;
    Event& event = batch.insert({number(1), Value::null(), Value::null(), Value::null()});
    batch.commit();
    extra.members = members;
    event.extra = &extra;
    Flatten(config_, {"p", ""}).process(batch.batch());
    return batch.text(0);
  };
  const std::string evil = R"("event":{"id":"evil","x":1},"tenant":{"id":"evil"},"ts":{"ms":1},"tx":{"end":false})";
  const std::string plain = record("");
  EXPECT_EQ(record(evil), plain.substr(0, plain.size() - 1) + R"(,"event_x":1})");
  EXPECT_EQ(record(R"("tx":{"end":false})"), plain) << "nothing is left";
  config_.on_collision = OnCollision::first;
  EXPECT_EQ(record(R"("ts":{"ms":1})"), plain);
  config_.on_collision = OnCollision::error;
  try {
    record(evil);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("two fields become \"event_id\""), std::string::npos) << error.what();
  }
  EXPECT_EQ(after(R"({"a":1})"), R"({"id":1,"doc_a":1,"tags":null})");
}

TEST_F(FlattenTest, AColumnMayBeNamedLikeAMemberOfTheEnvelope) {
  config_.separator = "_";
  config_.on_collision = OnCollision::error;
  TestBatch batch;
  batch.schema().columns[3].name = "event";
  batch.insert({number(1), Value::null(), Value::null(), json(R"({"id":"mine"})")});
  batch.commit();
  Flatten(config_, {"p", ""}).process(batch.batch());
  EXPECT_NE(batch.text(0).find(R"("event_id":"mine","tags":null})"), std::string::npos) << batch.text(0);
}

TEST_F(FlattenTest, IsIdempotentAndLeavesFlatRowsAlone) {
  TestBatch batch;
  batch.insert({number(1), text("new"), Value::null(), json(R"([{"a":1}])")});
  batch.insert({number(2), text("new"), Value::null(), json(R"({"a":{"b":1}})")});
  Flatten flatten({}, {"p", ""});
  flatten.process(batch.batch());
  EXPECT_EQ(batch.batch().event(0).extra, nullptr);
  const std::string once = batch.text(1);
  flatten.process(batch.batch());
  EXPECT_EQ(batch.text(1), once);
}

TEST_F(FlattenTest, ManyFields) {
  std::string document = "{", flat;
  for (int i = 0; i < 500; ++i) {
    document += (i > 0 ? ",\"" : "\"") + std::to_string(i) + "\":" + std::to_string(i);
    flat += ",\"doc__" + std::to_string(i) + "\":" + std::to_string(i);
  }
  EXPECT_EQ(after(document + "}"), "{\"id\":1" + flat + ",\"tags\":null}");
}

}  // namespace
}  // namespace deltaforge::processors::flatten
