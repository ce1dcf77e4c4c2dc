#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace deltaforge {

Hash128 xxh3_128(Bytes bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  Hash128 result;
  std::memcpy(result.data(), canonical.digest, result.size());
  return result;
}

std::uint64_t xxh3_64(Bytes bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

}  // namespace deltaforge
