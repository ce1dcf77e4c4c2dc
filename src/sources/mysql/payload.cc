#include "sources/mysql/payload.h"

#include <algorithm>
#include <cstring>

#include <zstd.h>

#include "sources/mysql/event_header.h"
#include "sources/mysql/reader.h"

namespace deltaforge::sources::mysql {
namespace {

constexpr std::size_t kScratch = 1024 * 1024;
constexpr std::size_t kMostEvent = 1'100'000'000;  // the server's bound is 1 GiB
constexpr std::uint64_t kZstd = 0, kNone = 255;

}  // namespace

struct Payload::Inflater {
  Inflater() : stream(ZSTD_createDStream()) {
    if (stream == nullptr) throw std::bad_alloc();
  }
  ~Inflater() { ZSTD_freeDStream(stream); }
  ZSTD_DStream* stream;
};

Payload::Payload() = default;
Payload::~Payload() = default;
Payload::Payload(Payload&&) noexcept = default;
Payload& Payload::operator=(Payload&&) noexcept = default;

// Hands out the whole events at the front of the scratch, and moves the rest there.
Result<bool> Payload::feed(std::size_t& have, const OnEvent& on_event) {
  std::size_t at = 0;
  while (have - at >= EventHeader::kSize) {
    const std::size_t size = read_header(Bytes(scratch_).subspan(at)).size;
    if (size < EventHeader::kSize || size > kMostEvent)
      return DecodeFailure{"an event inside the compressed transaction has an impossible size", at};
    if (have - at < size) {
      // Memory follows what has come, not what a header says.
      if (at == 0 && have == scratch_.size()) scratch_.resize(std::min(2 * scratch_.size(), size + EventHeader::kSize));
      break;
    }
    on_event(std::span(scratch_).subspan(at, size));
    at += size;
  }
  std::memmove(scratch_.data(), scratch_.data() + at, have - at);
  have -= at;
  return true;
}

Result<bool> Payload::read(Bytes body, const OnEvent& on_event) {
  Reader in(body);
  std::uint64_t compression = kNone;
  for (std::uint64_t field = in.packed(); in.ok() && field != 0; field = in.packed()) {
    Reader value(in.bytes(static_cast<std::size_t>(in.packed())));
    if (field == 2) compression = value.packed();
  }
  if (!in.ok()) return DecodeFailure{"the compressed transaction ends early", in.offset()};
  if (compression != kZstd && compression != kNone) return DecodeFailure{"an unknown compression", in.offset()};
  Bytes source = in.rest();
  if (scratch_.size() < kScratch) scratch_.resize(kScratch);
  if (!inflater_) inflater_ = std::make_unique<Inflater>();
  ZSTD_initDStream(inflater_->stream);

  ZSTD_inBuffer from{source.data(), source.size(), 0};
  std::size_t have = 0;
  bool more = true;
  while (more) {
    ZSTD_outBuffer to{scratch_.data() + have, scratch_.size() - have, 0};
    if (compression == kNone) {
      to.pos = std::min(to.size, from.size - from.pos);
      std::memcpy(to.dst, source.data() + from.pos, to.pos);
      from.pos += to.pos;
      more = from.pos < from.size;
    } else {
      const std::size_t left = ZSTD_decompressStream(inflater_->stream, &to, &from);
      if (ZSTD_isError(left) != 0) return DecodeFailure{std::string("zstd: ") + ZSTD_getErrorName(left), from.pos};
      const bool full = to.pos == to.size;
      if (left != 0 && !full && from.pos == from.size)
        return DecodeFailure{"the compressed transaction ends early", from.pos};
      more = from.pos < from.size || (left != 0 && full);
    }
    have += to.pos;
    if (auto fed = feed(have, on_event); !fed) return fed.failure();
  }
  if (have != 0) return DecodeFailure{"the compressed transaction ends inside an event", source.size()};
  return true;
}

}  // namespace deltaforge::sources::mysql
