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
                                     "What the type of an event begins with: com.example.cdc.", {.required = true});
    return s;
  }
};

// In the order of EnvelopeType.
const std::vector<config::Variant>& envelopes() {
  static const std::vector<config::Variant> all{
      {"native", "The event alone.", {}},
      {"debezium", "The event as the payload of a Debezium message without a schema.", {}},
      {"cloudevents", "CloudEvents 1.0, structured mode.", CloudEventsMap::spec().fields()}};
  return all;
}

// In the order of EncodingType.
const std::vector<config::Variant>& encodings() {
  static const std::vector<config::Variant> all{{"json", "One JSON object an event.", {}}};
  return all;
}

std::vector<std::string> names_of(const std::vector<config::Variant>& variants) {
  std::vector<std::string> names;
  for (const config::Variant& variant : variants) names.push_back(variant.type);
  return names;
}

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
  auto type = read_type(node, "envelope", names_of(envelopes()), report);
  if (!type) return;
  out.type = EnvelopeType{static_cast<int>(*type)};
  if (out.type != EnvelopeType::cloudevents) return read_no_options(node, report);
  CloudEventsMap map;
  if (node.is_map()) CloudEventsMap::spec().parse(node, map, report);
  out.type_prefix = map.type_prefix;
  if (!node.is_map())
    report.add(node,
               "cloudevents needs a type_prefix; write `envelope: {type: cloudevents, type_prefix: com.example.cdc}`");
}

void read_encoding(const Node& node, EncodingConfig& out, Report& report) {
  const Node* named = node.is_map() ? node.find("type") : &node;
  if (named != nullptr && named->is_scalar() && named->text() == "avro")
    return report.add(*named, "not in this build: encoding avro; write `encoding: json`");
  auto type = read_type(node, "encoding", names_of(encodings()), report);
  if (!type) return;
  out.type = EncodingType{static_cast<int>(*type)};
  read_no_options(node, report);
}

config::Shape envelope_shape() { return {.type = "text or map", .map_name = "envelope", .variants = envelopes()}; }

config::Shape encoding_shape() { return {.type = "text or map", .map_name = "encoding", .variants = encodings()}; }

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
