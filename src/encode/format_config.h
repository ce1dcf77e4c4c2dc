// The `envelope` and `encoding` fields of every sink. Both take a bare name (`envelope: native`) or a map with a
// `type` (`encoding: {type: json}`).
#pragma once

#include <string>

#include "config/spec.h"

namespace deltaforge::encode {

enum class EnvelopeType { native, debezium, cloudevents };
enum class EncodingType { json };

struct EnvelopeConfig {
  EnvelopeType type = EnvelopeType::native;
  std::string type_prefix;  // of cloudevents: "com.example.cdc"
};

struct EncodingConfig {
  EncodingType type = EncodingType::json;
};

// Readers and printers for Spec::custom.
void read_envelope(const config::Node&, EnvelopeConfig&, config::Report&);
void read_encoding(const config::Node&, EncodingConfig&, config::Report&);
void show_envelope(const EnvelopeConfig&, config::Echo&);
void show_encoding(const EncodingConfig&, config::Echo&);
config::Shape envelope_shape();
config::Shape encoding_shape();

// Declares both fields of a sink whose Config has the members `envelope` and `encoding`.
template <class T>
config::Spec<T>& add_format_fields(config::Spec<T>& spec) {
  return spec
      .custom("envelope", &T::envelope,
              "What stands around an event: `native`, `debezium`, `{type: cloudevents, type_prefix: com.example.cdc}`.",
              read_envelope, {}, show_envelope)
      .shaped(envelope_shape())
      .custom("encoding", &T::encoding, "How an event is written: `json`.", read_encoding, {}, show_encoding)
      .shaped(encoding_shape());
}

}  // namespace deltaforge::encode
