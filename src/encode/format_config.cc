#include "encode/format_config.h"

#include <optional>
#include <string>
#include <vector>

namespace deltaforge::encode {
namespace {

using config::Node;
using config::Report;

// The map forms.
struct TypeOnly {
  std::string type;
  static const config::Spec<TypeOnly>& spec() {
    static const auto s = config::Spec<TypeOnly>("format", "A format.").field("type", &TypeOnly::type, "Its name.");
    return s;
  }
};

struct CloudEventsMap {
  std::string type, type_prefix;
  static const config::Spec<CloudEventsMap>& spec() {
    static const auto s = config::Spec<CloudEventsMap>("cloudevents", "CloudEvents 1.0.")
                              .field("type", &CloudEventsMap::type, "Its name.")
                              .field("type_prefix", &CloudEventsMap::type_prefix,
                                     "What the type of an event begins with: com.example.cdc.");
    return s;
  }
};

// One of `names`. None: the report says what is wrong.
std::optional<std::size_t> read_type(const Node& node, const std::string& what, const std::vector<std::string>& names,
                                     Report& report) {
  const Node* type = node.is_map() ? node.find("type") : &node;
  if (type != nullptr) return config::read_choice(*type, names, report);
  report.add(node, "the " + what + " has no `type`; write `" + what + ": " + names[0] + "`");
  return std::nullopt;
}

void read_no_options(const Node& node, Report& report) {
  TypeOnly map;
  if (node.is_map()) TypeOnly::spec().parse(node, map, report);
}

}  // namespace

void read_envelope(const Node& node, EnvelopeConfig& out, Report& report) {
  auto type = read_type(node, "envelope", {"native", "debezium", "cloudevents"}, report);
  if (!type) return;
  out.type = EnvelopeType{static_cast<int>(*type)};
  if (out.type != EnvelopeType::cloudevents) return read_no_options(node, report);
  CloudEventsMap map;
  if (node.is_map()) CloudEventsMap::spec().parse(node, map, report);
  out.type_prefix = map.type_prefix;
  if (out.type_prefix.empty())
    report.add(node,
               "cloudevents needs a type_prefix; write `envelope: {type: cloudevents, type_prefix: com.example.cdc}`");
}

void read_encoding(const Node& node, EncodingConfig& out, Report& report) {
  auto type = read_type(node, "encoding", {"json", "avro"}, report);
  if (!type) return;
  const Node* named = node.is_map() ? node.find("type") : &node;
  if (*type != 0) return report.add(*named, "not in this build: encoding avro; write `encoding: json`");
  out.type = EncodingType::json;
  read_no_options(node, report);
}

void show_envelope(const EnvelopeConfig& envelope, config::Echo& to) {
  switch (envelope.type) {
    case EnvelopeType::native: return to.string("native");
    case EnvelopeType::debezium: return to.string("debezium");
    case EnvelopeType::cloudevents: break;
  }
  CloudEventsMap::spec().echo({"cloudevents", envelope.type_prefix}, to);
}

void show_encoding(const EncodingConfig&, config::Echo& to) { to.string("json"); }

}  // namespace deltaforge::encode
