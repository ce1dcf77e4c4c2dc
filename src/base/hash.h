// XXH3 with seed 0, the one hash of event ids (contract, amendment "Event ids").
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"

namespace deltaforge {

// Canonical (big-endian) form of XXH3-128.
using Hash128 = std::array<std::byte, 16>;

Hash128 xxh3_128(Bytes);
std::uint64_t xxh3_64(Bytes);

}  // namespace deltaforge
