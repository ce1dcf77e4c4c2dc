// Messages of pgoutput, one by one, without the frames around them: what postgres_stream reaches only when the fuzzer
// gets every length right.
//
//   flags u8 | (size u16, little-endian | message)*
#include "fuzz.h"
#include "postgres_decoding.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace deltaforge;
  fuzz::Input in(data, size);
  fuzz::PostgresDecoding decoding(in.byte());
  fuzz::allowed_to_refuse([&] {
    for (std::uint64_t at = 1; !in.empty(); ++at) {
      auto message = in.bytes(in.size16());
      decoding.decoder.may_drop(message);
      const std::uint64_t commits = decoding.decoder.commits();
      decoding.decoder.message(message, false, sources::postgres::Lsn{at});
      if (decoding.decoder.commits() != commits) decoding.intake.room();
    }
  });
  return 0;
}
