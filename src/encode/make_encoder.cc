#include "encode/make_encoder.h"

#include "encode/cloudevents.h"
#include "encode/native_json.h"

namespace deltaforge::encode {
namespace {

// The native event, or the same inside Debezium's wrapper.
class NativeEncoder final : public Encoder {
 public:
  NativeEncoder(std::string_view tenant, bool debezium) : native_(tenant), debezium_(debezium) {}

  std::string_view encode(const Batch& batch, const Event& event, Slab& out) override {
    JsonWriter json(out);
    if (event.extra != nullptr && event.extra->raw_payload) [[unlikely]] {
      std::string_view reason = native_.write_payload(event, json);
      if (reason.empty()) json.commit();
      return reason;
    }
    if (debezium_) json.raw(R"({"schema":null,"payload":)");
    std::string_view reason = native_.write(batch, event, json);
    if (!reason.empty()) return reason;
    if (debezium_) json.raw('}');
    json.commit();
    return {};
  }
  std::string_view content_type() const override { return "application/json"; }

 private:
  NativeJson native_;
  const bool debezium_;
};

}  // namespace

std::unique_ptr<Encoder> make_encoder(const EnvelopeConfig& envelope, const EncodingConfig&, std::string_view tenant) {
  if (envelope.type == EnvelopeType::cloudevents) return std::make_unique<CloudEvents>(envelope.type_prefix);
  return std::make_unique<NativeEncoder>(tenant, envelope.type == EnvelopeType::debezium);
}

}  // namespace deltaforge::encode
