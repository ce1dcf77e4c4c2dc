// From a sink's configuration to its encoder. An envelope is one more Encoder around NativeJson, in a file of its own.
#pragma once

#include <memory>
#include <string_view>

#include "core/encoder.h"
#include "encode/format_config.h"

namespace deltaforge::encode {

// `tenant` is that of the pipeline; empty: none.
std::unique_ptr<Encoder> make_encoder(const EnvelopeConfig&, const EncodingConfig&, std::string_view tenant);

}  // namespace deltaforge::encode
