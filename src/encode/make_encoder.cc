#include "encode/make_encoder.h"

#include "encode/native_json.h"

namespace deltaforge::encode {
namespace {

class NativeEncoder final : public Encoder {
 public:
  explicit NativeEncoder(std::string_view tenant) : native_(tenant) {}

  std::string_view encode(const Batch& batch, const Event& event, Slab& out) override {
    JsonWriter json(out);
    std::string_view reason = native_.write(batch, event, json);
    if (reason.empty()) json.commit();
    return reason;
  }
  std::string_view content_type() const override { return "application/json"; }

 private:
  NativeJson native_;
};

}  // namespace

std::unique_ptr<Encoder> make_encoder(const EnvelopeConfig&, const EncodingConfig&, std::string_view tenant) {
  return std::make_unique<NativeEncoder>(tenant);
}

}  // namespace deltaforge::encode
