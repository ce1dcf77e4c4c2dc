#include "config/spec.h"

#include <limits>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "config/parse.h"

namespace deltaforge::config {
namespace {

enum class Format { pretty, json };

struct Envelope {
  std::string type = "native";
  std::string type_prefix;

  static const Spec<Envelope>& spec() {
    static const auto s = Spec<Envelope>("envelope", "The shape of a message.")
                              .field("type", &Envelope::type, "Its name.")
                              .field("type_prefix", &Envelope::type_prefix, "For cloudevents.");
    return s;
  }
  void check(const Node& node, Report& report) const {
    if (type == "cloudevents" && type_prefix.empty()) {
      report.add(node, "type_prefix", "needed with type: cloudevents");
    }
  }
};

struct Predicate {
  std::string path;
  static const Spec<Predicate>& spec() {
    static const auto s =
        Spec<Predicate>("predicate", "A condition.").field("path", &Predicate::path, "A field.", {.required = true});
    return s;
  }
};

struct Start {
  std::uint64_t lsn = 0;
};

struct Common {
  std::string id;
};

struct Config : Common {
  Secret dsn;
  bool required = true;
  std::int64_t workers = 4;
  double ratio = 0.5;
  Millis send_timeout_ms{5'000};
  ByteSize max_bytes{1'048'576};
  Format format = Format::json;
  std::optional<Format> second;
  Envelope envelope;
  std::optional<Envelope> other;
  std::vector<Predicate> fields;
  std::vector<std::string> hosts;
  std::vector<TablePattern> tables;
  std::map<std::string, std::string> client_conf;
  std::optional<std::int64_t> port;
  Template topic;
  Start start;
  Node extra;

  static const Spec<Config>& spec() {
    static const auto s =
        Spec<Config>("redis", "Appends change events to a Redis stream.")
            .field("id", &Config::id, "Name used for checkpoints and metrics.", {.max = 10})
            .field("dsn", &Config::dsn, "Connection URI.", {.required = true})
            .field("required", &Config::required, "Whether it gates checkpoints.")
            .field("workers", &Config::workers, "Threads.", {.min = 1})
            .field("ratio", &Config::ratio, "A share.", {.max = 1.5})
            .field("send_timeout_ms", &Config::send_timeout_ms, "Time allowed for one batch.",
                   {.min = 1, .max = 600'000})
            .field("max_bytes", &Config::max_bytes, "Size of a batch.")
            .choice("format", &Config::format, "How lines look.", {{"pretty", Format::pretty}, {"json", Format::json}})
            .choice("second", &Config::second, "Too.", {{"pretty", Format::pretty}, {"json", Format::json}})
            .nested("envelope", &Config::envelope, "The shape.")
            .nested("other", &Config::other, "Another.")
            .nested("fields", &Config::fields, "Conditions.", {.max = 2})
            .field("hosts", &Config::hosts, "Servers.", {.max = 3})
            .field("tables", &Config::tables, "What to capture.")
            .field("client_conf", &Config::client_conf, "Options of the client.")
            .field("port", &Config::port, "A port.", {.min = 1, .max = 65'535})
            .field("topic", &Config::topic, "Destination.")
            .custom("start_position", &Config::start, "Where to start.",
                    [](const Node& node, Start& out, Report& report) {
                      std::int64_t lsn = 0;
                      read(node, lsn, {.min = 0}, report);
                      out.lsn = static_cast<std::uint64_t>(lsn);
                    })
            .field("extra", &Config::extra, "Not ours.", {.max = 3})
            .shaped(Predicate::spec().shape());
    return s;
  }
};

std::optional<std::string> fake(std::string_view name) {
  if (name == "DSN") return "postgres://u:hunter2@h/db";
  if (name == "PORT") return "9092";
  if (name == "WORD") return "hunter2";
  if (name == "BLANK") return "";
  return std::nullopt;
}

struct Outcome {
  Config config;
  std::string problems;
};

Outcome load(const std::string& text) {
  Outcome outcome;
  Report report;
  for (const Document& document : parse(text, "pipe.yaml", report, {fake, Expansion::everywhere})) {
    Config::spec().parse(document.root, outcome.config, report);
  }
  outcome.problems = report.text();
  return outcome;
}

// The problem of one field besides a good dsn.
std::string problem(const std::string& field) { return load("dsn: x\n" + field).problems; }

TEST(Spec, ReadsEveryType) {
  const auto [c, problems] = load(R"(id: orders
dsn: ${DSN}
required: False
workers: 7
ratio: 1.25e0
send_timeout_ms: 250
max_bytes: 18446744073709551615
format: pretty
second: json
envelope: {type: cloudevents, type_prefix: com.x}
other: {type: debezium}
fields: [{path: a}, {path: b}]
hosts: [a, "b", 3]
tables: [shop.*, '"We.ird".t']
client_conf: {linger.ms: 5, enable.idempotence: true, x: "y"}
port: "${PORT}"
topic: cdc.${source.table}
start_position: 42
extra: {any: [thing]}
)");
  EXPECT_EQ(problems, "");
  EXPECT_EQ(c.id, "orders");
  EXPECT_EQ(c.dsn.reveal(), "postgres://u:hunter2@h/db");
  EXPECT_FALSE(c.required);
  EXPECT_EQ(c.workers, 7);
  EXPECT_EQ(c.ratio, 1.25);
  EXPECT_EQ(c.send_timeout_ms.count, 250);
  EXPECT_EQ(c.max_bytes.count, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(c.format, Format::pretty);
  EXPECT_EQ(c.second, Format::json);
  EXPECT_EQ(c.envelope.type_prefix, "com.x");
  EXPECT_EQ(c.other.value().type, "debezium");
  ASSERT_EQ(c.fields.size(), 2u);
  EXPECT_EQ(c.fields[1].path, "b");
  EXPECT_EQ(c.hosts, (std::vector<std::string>{"a", "b", "3"}));
  EXPECT_TRUE(c.tables.at(1).matches("We.ird", "t"));
  EXPECT_EQ(c.client_conf,
            (std::map<std::string, std::string>{{"linger.ms", "5"}, {"enable.idempotence", "true"}, {"x", "y"}}));
  EXPECT_EQ(c.port, 9092);
  EXPECT_EQ(c.topic.parts().size(), 2u);
  EXPECT_EQ(c.start.lsn, 42u);
  EXPECT_EQ(c.extra.find("any")->children()[0].text(), "thing");
}

TEST(Spec, AbsentAndEmptyFieldsKeepTheirDefaults) {
  const auto [c, problems] = load("dsn: x\nworkers:\nclient_conf:\nenvelope: ~\nport: null\n");
  EXPECT_EQ(problems, "");
  EXPECT_EQ(c.workers, 4);
  EXPECT_EQ(c.envelope.type, "native");
  EXPECT_FALSE(c.port);
  EXPECT_FALSE(c.other);
}

TEST(Spec, AWrongFieldKeepsItsDefault) {
  const auto [c, problems] = load("dsn: x\nworkers: 0\nport: x\nhosts: [a, [b]]\nclient_conf: {a: b, c: [d]}\n");
  EXPECT_NE(problems, "");
  EXPECT_EQ(c.workers, 4);
  EXPECT_FALSE(c.port);
  EXPECT_TRUE(c.hosts.empty());
  EXPECT_TRUE(c.client_conf.empty());
}

TEST(Spec, FindsAllProblemsAtOnceInOrder) {
  EXPECT_EQ(load(R"(id: orders
dsm: x
workers: many
envelope:
  typ: native
send_timeout_ms: 0
id: again
)")
                .problems,
            "pipe.yaml:1:1: dsn: required field is missing: Connection URI.\n"
            "pipe.yaml:2:1: dsm: unknown field, did you mean 'dsn'?\n"
            "pipe.yaml:3:10: workers: expected an integer, found 'many'\n"
            "pipe.yaml:5:3: envelope.typ: unknown field, did you mean 'type'?\n"
            "pipe.yaml:6:18: send_timeout_ms: out of range: 0 is not within 1..600000\n"
            "pipe.yaml:7:1: id: duplicate key, first given at 1:1: remove one\n");
}

TEST(Spec, PathsLeaveSpecOut) {
  Report report;
  const auto documents =
      parse("a:\nb:\nspec:\n  sinks:\n    - {config: {dsn: x,\n      strem: y}}\n", "pipe.yaml", report);
  Config config;
  Config::spec().parse(*documents.at(0).root.find("spec")->find("sinks")->children()[0].find("config"), config, report);
  EXPECT_EQ(report.text().substr(0, report.text().find(",")), "pipe.yaml:6:7: sinks[0].config.strem: unknown field");
}

TEST(Spec, UnknownFields) {
  EXPECT_EQ(problem("Format: json"), "pipe.yaml:2:1: Format: unknown field, did you mean 'format'?\n");
  EXPECT_EQ(problem("send-timeout-ms: 1"),
            "pipe.yaml:2:1: send-timeout-ms: unknown field, did you mean 'send_timeout_ms'?\n");
  EXPECT_EQ(problem("prot: 1"), "pipe.yaml:2:1: prot: unknown field, did you mean 'port'?\n");
  EXPECT_EQ(problem("envelope: {color: red}"),
            "pipe.yaml:2:12: envelope.color: unknown field, the fields are: type, type_prefix\n");
}

TEST(Spec, WrongTypes) {
  EXPECT_EQ(problem("id: [a]"), "pipe.yaml:2:5: id: expected text, found a list\n");
  EXPECT_EQ(problem("id: {a: b}"), "pipe.yaml:2:5: id: expected text, found a map\n");
  EXPECT_EQ(problem("workers: 1.5"), "pipe.yaml:2:10: workers: expected an integer, found '1.5'\n");
  EXPECT_EQ(problem("workers: 1_000"), "pipe.yaml:2:10: workers: expected an integer, found '1_000'\n");
  EXPECT_EQ(problem("workers: 0x10"), "pipe.yaml:2:10: workers: expected an integer, found '0x10'\n");
  EXPECT_EQ(problem("workers: '5'"),
            "pipe.yaml:2:10: workers: expected an integer, found the quoted text '5': remove the quotes\n");
  EXPECT_EQ(problem("workers: []"), "pipe.yaml:2:10: workers: expected an integer, found a list\n");
  EXPECT_EQ(problem("workers: ''"),
            "pipe.yaml:2:10: workers: expected an integer, found the quoted text '': remove the quotes\n");
  EXPECT_EQ(problem("workers: ${BLANK}"), "pipe.yaml:2:10: workers: expected an integer, found '${BLANK}'\n");
  EXPECT_EQ(problem("ratio: .nan"), "pipe.yaml:2:8: ratio: expected a number, found '.nan'\n");
  EXPECT_EQ(problem("ratio: inf"), "pipe.yaml:2:8: ratio: expected a number, found 'inf'\n");
  EXPECT_EQ(problem("required: yes"), "pipe.yaml:2:11: required: expected true or false, found 'yes': write true\n");
  EXPECT_EQ(problem("required: Off"), "pipe.yaml:2:11: required: expected true or false, found 'Off': write false\n");
  EXPECT_EQ(problem("required: 1"), "pipe.yaml:2:11: required: expected true or false, found '1'\n");
  EXPECT_EQ(problem("required: 'true'"),
            "pipe.yaml:2:11: required: expected true or false, found the quoted text 'true': remove the quotes\n");
  EXPECT_EQ(problem("max_bytes: 16MiB"),
            "pipe.yaml:2:12: max_bytes: expected bytes as a plain integer, found '16MiB'\n");
  EXPECT_EQ(problem("send_timeout_ms: 5s"),
            "pipe.yaml:2:18: send_timeout_ms: expected milliseconds as a plain integer, found '5s'\n");
  EXPECT_EQ(problem("hosts: a"), "pipe.yaml:2:8: hosts: expected a list of texts, found 'a': write [a]\n");
  EXPECT_EQ(problem("hosts: [a, ~]"), "pipe.yaml:2:12: hosts[1]: expected text, found nothing\n");
  EXPECT_EQ(problem("client_conf: [a]"), "pipe.yaml:2:14: client_conf: expected a map of texts, found a list\n");
  EXPECT_EQ(problem("client_conf: {a.b: [c]}"), "pipe.yaml:2:20: client_conf.a.b: expected text, found a list\n");
  EXPECT_EQ(problem("envelope: native"), "pipe.yaml:2:11: envelope: expected a map of fields, found text\n");
  EXPECT_EQ(problem("fields: {path: a}"), "pipe.yaml:2:9: fields: expected a list, found a map\n");
  EXPECT_EQ(problem("fields: [{}]"), "pipe.yaml:2:10: fields[0].path: required field is missing: A field.\n");
  EXPECT_EQ(problem("topic: [x]"), "pipe.yaml:2:8: topic: expected text, found a list\n");
  EXPECT_EQ(problem("tables: [a.]"), "pipe.yaml:2:10: tables[0]: table pattern 'a.': no table name\n");
  EXPECT_EQ(load("- a").problems, "pipe.yaml:1:1: expected a map of fields, found a list\n");
}

TEST(Spec, Ranges) {
  EXPECT_EQ(problem("workers: 0"), "pipe.yaml:2:10: workers: out of range: 0 is below 1\n");
  EXPECT_EQ(problem("workers: 9223372036854775808"),
            "pipe.yaml:2:10: workers: out of range: 9223372036854775808 does not fit into 64 bits\n");
  EXPECT_EQ(problem("ratio: 1.6"), "pipe.yaml:2:8: ratio: out of range: 1.6 is above 1.5\n");
  EXPECT_EQ(problem("port: 65536"), "pipe.yaml:2:7: port: out of range: 65536 is not within 1..65535\n");
  EXPECT_EQ(problem("send_timeout_ms: 600001"),
            "pipe.yaml:2:18: send_timeout_ms: out of range: 600001 is not within 1..600000\n");
  EXPECT_EQ(problem("id: longer-than-ten"), "pipe.yaml:2:5: id: out of range: 15 bytes is above 10\n");
  EXPECT_EQ(problem("hosts: [a, b, c, d]"), "pipe.yaml:2:8: hosts: out of range: 4 entries is above 3\n");
  EXPECT_EQ(problem("fields: [{path: a}, {path: b}, {path: c}]"),
            "pipe.yaml:2:9: fields: out of range: 3 entries is above 2\n");
  EXPECT_EQ(problem("max_bytes: -1"), "pipe.yaml:2:12: max_bytes: expected bytes as a plain integer, found '-1'\n");
  EXPECT_EQ(problem("workers: 1\nport: 65535\nsend_timeout_ms: 600000\nratio: 1.5"), "");
}

TEST(Spec, Choices) {
  EXPECT_EQ(problem("format: josn"),
            "pipe.yaml:2:9: format: unknown value 'josn', did you mean 'json'? allowed are: pretty, json\n");
  EXPECT_EQ(problem("second: xml"), "pipe.yaml:2:9: second: unknown value 'xml', allowed are: pretty, json\n");
  EXPECT_EQ(problem("format: [json]"), "pipe.yaml:2:9: format: expected text, found a list\n");
}

TEST(Spec, RequiredFields) {
  EXPECT_EQ(load("id: a").problems, "pipe.yaml:1:1: dsn: required field is missing: Connection URI.\n");
  EXPECT_EQ(load("dsn:").problems, "pipe.yaml:1:1: dsn: required field has no value: Connection URI.\n");
  EXPECT_EQ(load("dsn: ''").problems, "pipe.yaml:1:6: dsn: required field is empty\n");
  EXPECT_EQ(load("dsn: ${BLANK}").problems, "pipe.yaml:1:6: dsn: required field is empty\n");
}

TEST(Spec, NestedStructsCheckThemselves) {
  EXPECT_EQ(problem("envelope: {type: cloudevents}"),
            "pipe.yaml:2:11: envelope.type_prefix: needed with type: cloudevents\n");
  EXPECT_EQ(problem("other: {type: cloudevents, type_prefix: ''}"),
            "pipe.yaml:2:41: other.type_prefix: needed with type: cloudevents\n");
}

TEST(Spec, ProblemsShowNoSecret) {
  for (const char* text :
       {"dsn: [hunter2]", "dsn: {a: hunter2}", "dsn: 'hunter2${NONE}'", "dsn: '${hunter2}'", "dsn: x\nport: ${WORD}",
        "dsn: x\nformat: ${WORD}", "dsn: x\nhosts: ${WORD}", "pasword: hunter2", "dsn: x\nrequired: ${WORD}",
        "dsn: x\nmax_bytes: ${WORD}", "dsn: x\ntables: ['${WORD}.']"}) {
    const std::string problems = load(text).problems;
    EXPECT_NE(problems, "") << text;
    EXPECT_EQ(problems.find("hunter2"), std::string::npos) << problems;
  }
}

TEST(Spec, EchoShowsDefaultsAndNoSecrets) {
  const auto [c, problems] = load(R"(dsn: ${DSN}
hosts: ["http://u:hunter2@h:1/x", "plain"]
client_conf: {sasl.password: hunter2, ssl.key.pem: hunter2, linger.ms: 5}
tables: [shop.*]
other: {type: debezium}
fields: [{path: "a\"b\n"}]
topic: "cdc.$${x}.${op}"
second: pretty
)");
  EXPECT_EQ(problems, "");
  Echo echo;
  Config::spec().echo(c, echo);
  EXPECT_EQ(
      echo.text(),
      R"({"id":"","dsn":"***","required":true,"workers":4,"ratio":0.5,"send_timeout_ms":5000,"max_bytes":1048576,)"
      R"("format":"json","second":"pretty","envelope":{"type":"native","type_prefix":""},)"
      R"("other":{"type":"debezium","type_prefix":""},"fields":[{"path":"a\"b\u000a"}],)"
      R"("hosts":["http://u:***@h:1/x","plain"],"tables":["shop.*"],)"
      R"("client_conf":{"linger.ms":"5","sasl.password":"***","ssl.key.pem":"***"},"port":null,)"
      R"("topic":"cdc.$${x}.${op}"})");
  EXPECT_TRUE(nlohmann::json::accept(echo.text()));
}

TEST(Spec, FieldsDescribeThemselves) {
  const auto fields = Config::spec().fields();
  ASSERT_EQ(fields.size(), 19u);
  const auto field = [&](std::string_view name) {
    for (const FieldInfo& info : fields) {
      if (info.name == name) return info;
    }
    return FieldInfo{};
  };
  EXPECT_EQ(fields[0].name, "id");
  EXPECT_EQ(field("dsn").type, "secret");
  EXPECT_TRUE(field("dsn").options.required);
  EXPECT_EQ(field("dsn").default_value, "");
  EXPECT_EQ(field("send_timeout_ms").type, "milliseconds");
  EXPECT_EQ(field("send_timeout_ms").default_value, "5000");
  EXPECT_EQ(field("send_timeout_ms").options.max, 600'000);
  EXPECT_EQ(field("send_timeout_ms").help, "Time allowed for one batch.");
  EXPECT_EQ(field("format").type, "choice");
  EXPECT_EQ(field("format").default_value, "\"json\"");
  EXPECT_EQ(field("format").choices, (std::vector<std::string>{"pretty", "json"}));
  EXPECT_EQ(field("second").default_value, "null");
  EXPECT_EQ(field("port").type, "integer");
  EXPECT_EQ(field("envelope").type, "map");
  EXPECT_EQ(field("envelope").fields.at(1).name, "type_prefix");
  EXPECT_EQ(field("fields").type, "list of maps");
  EXPECT_EQ(field("start_position").type, "custom");
  EXPECT_EQ(field("extra").type, "map");
  EXPECT_EQ(field("extra").map_name, "predicate");
  EXPECT_EQ(field("extra").fields.at(0).name, "path");
  EXPECT_EQ(field("extra").help, "Not ours.");
  EXPECT_EQ(field("extra").options.max, 3);
  EXPECT_EQ(Config::spec().name(), "redis");
  EXPECT_EQ(Config::spec().summary(), "Appends change events to a Redis stream.");
}

}  // namespace
}  // namespace deltaforge::config
