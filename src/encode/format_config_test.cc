#include "encode/format_config.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "config/parse.h"

namespace deltaforge::encode {
namespace {

struct Formats {
  EnvelopeConfig envelope;
  EncodingConfig encoding;
  static const config::Spec<Formats>& spec() {
    static const auto s = [] {
      config::Spec<Formats> fields("test", "A sink.");
      return add_format_fields(fields);
    }();
    return s;
  }
};

std::string problems(std::string_view yaml) {
  config::Report report;
  auto documents = config::parse(yaml, "p.yaml", report);
  Formats formats;
  Formats::spec().parse(documents.at(0).root, formats, report);
  return report.text();
}

TEST(FormatConfig, BareNamesAndMaps) {
  EXPECT_EQ(problems("{}"), "");
  EXPECT_EQ(problems("{envelope: native, encoding: json}"), "");
  EXPECT_EQ(problems("{envelope: {type: native}, encoding: {type: json}}"), "");
  EXPECT_EQ(problems("{envelope: debezium}"), "");
  EXPECT_EQ(problems("{envelope: {type: debezium}}"), "");
  EXPECT_EQ(problems("{envelope: {type: cloudevents, type_prefix: com.x}}"), "");
}

TEST(FormatConfig, WhatIsNotInThisBuildIsSaid) {
  EXPECT_NE(problems("{encoding: avro}").find("not in this build: encoding avro"), std::string::npos);
  EXPECT_NE(problems("{encoding: {type: avro, schema_registry_url: http://x}}").find("encoding avro"),
            std::string::npos);
}

TEST(FormatConfig, Mistakes) {
  EXPECT_NE(problems("{envelope: natve}").find("did you mean 'native'"), std::string::npos);
  EXPECT_NE(problems("{envelope: {typ: native}}").find("no `type`"), std::string::npos);
  EXPECT_NE(problems("{envelope: cloudevents}").find("needs a type_prefix"), std::string::npos);
  EXPECT_NE(problems("{envelope: {type: cloudevents, prefix: x}}").find("prefix: unknown field"), std::string::npos);
  EXPECT_NE(problems("{envelope: {type: native, prefix: x}}").find("prefix: unknown field"), std::string::npos);
  EXPECT_NE(problems("{encoding: [json]}"), "");
  EXPECT_NE(problems("{encoding: {}}").find("no `type`"), std::string::npos);
}

TEST(FormatConfig, Echo) {
  config::Echo echo;
  Formats::spec().echo({}, echo);
  EXPECT_EQ(echo.text(), R"({"envelope":"native","encoding":"json"})");
  Formats formats;
  formats.envelope = {EnvelopeType::cloudevents, "com.x"};
  config::Echo other;
  Formats::spec().echo(formats, other);
  EXPECT_EQ(other.text(), R"({"envelope":{"type":"cloudevents","type_prefix":"com.x"},"encoding":"json"})");
}

}  // namespace
}  // namespace deltaforge::encode
