#include "encode/format_config.h"

#include <optional>
#include <string>
#include <vector>

namespace deltaforge::encode {
namespace {

using config::Node;
using config::Report;

// The map form of a format without options.
struct TypeOnly {
  std::string type;
  static const config::Spec<TypeOnly>& spec() {
    static const auto s = config::Spec<TypeOnly>("format", "A format.").field("type", &TypeOnly::type, "Its name.");
    return s;
  }
};

// The names of the book; only the first is in this build. False: the report says what is wrong.
bool read_first(const Node& node, const std::string& what, const std::vector<std::string>& names, Report& report) {
  const Node* type = node.is_map() ? node.find("type") : &node;
  if (type == nullptr) {
    report.add(node, "the " + what + " has no `type`; write `" + what + ": " + names[0] + "`");
    return false;
  }
  auto choice = config::read_choice(*type, names, report);
  if (!choice) return false;
  if (*choice != 0) {
    report.add(*type, "not in this build: " + what + " " + names[*choice] + "; write `" + what + ": " + names[0] + "`");
    return false;
  }
  if (node.is_map()) {
    TypeOnly map;
    TypeOnly::spec().parse(node, map, report);
  }
  return true;
}

}  // namespace

void read_envelope(const Node& node, EnvelopeConfig& out, Report& report) {
  if (read_first(node, "envelope", {"native", "debezium", "cloudevents"}, report)) out.type = EnvelopeType::native;
}

void read_encoding(const Node& node, EncodingConfig& out, Report& report) {
  if (read_first(node, "encoding", {"json", "avro"}, report)) out.type = EncodingType::json;
}

void show_envelope(const EnvelopeConfig&, config::Echo& to) { to.string("native"); }

void show_encoding(const EncodingConfig&, config::Echo& to) { to.string("json"); }

}  // namespace deltaforge::encode
