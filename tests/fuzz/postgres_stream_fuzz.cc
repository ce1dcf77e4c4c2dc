// The server's bytes after START_REPLICATION, as the socket gives them: frames, copy data, keepalives, pgoutput.
//
//   flags u8 | the stream
//
// Must hold: whatever comes is events that keep the intake's contract, or an Error.
#include "fuzz.h"
#include "postgres_decoding.h"
#include "sources/postgres/errors.h"
#include "sources/postgres/frames.h"

namespace deltaforge::fuzz {
namespace {

using namespace sources::postgres;

// What stream.cc does between the socket and the decoder.
class StreamOfBytes final : private Placer {
 public:
  StreamOfBytes(PostgresDecoding& decoding, std::size_t buffer, std::size_t limit)
      : decoding_(decoding), limit_(limit), frames_(*this, buffer) {}

  void feed(Bytes bytes, std::size_t piece) {
    fuzz::feed(frames_, bytes, piece, [this](Frame& frame) {
      const std::uint64_t commits = decoding_.decoder.commits();
      handle(frame);
      if (decoding_.decoder.commits() != commits) decoding_.intake.room();
    });
  }

 private:
  static constexpr std::size_t kDataHeader = 25;

  std::byte* place(char type, Bytes head, std::size_t size) override {
    if (type == 'd' && !head.empty() && head[0] == std::byte{'w'} && head.size() >= kDataHeader &&
        decoding_.decoder.may_drop(head.subspan(kDataHeader)))
      return nullptr;
    // The input ends before it: only its memory would be wanted.
    if (size > limit_) throw Error(ErrorKind::limit, "more than there is");
    return decoding_.intake.pages().allocate(size, 1);
  }

  void handle(Frame& frame) {
    if (frame.type == 'E' || frame.type == 'N') {
      require(!to_error("streaming", read_server_error(frame.body)).message().empty(), "an error says something");
      return;
    }
    if (frame.type != 'd' || frame.body.empty()) return;
    ByteReader in(Bytes(frame.body).subspan(1));
    const Lsn at{in.u64()};
    if (frame.body[0] == std::byte{'k'} && in.ok() && !decoding_.decoder.in_transaction())
      decoding_.intake.idle(Mark::of(WalMark{at, 0, 1}));
    if (frame.body[0] == std::byte{'w'} && frame.body.size() >= kDataHeader)
      decoding_.decoder.message(frame.body.subspan(kDataHeader), frame.placed, at);
  }

  PostgresDecoding& decoding_;
  std::size_t limit_;
  Frames frames_;
};

}  // namespace
}  // namespace deltaforge::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace deltaforge::fuzz;
  Input in(data, size);
  const std::uint8_t flags = in.byte();
  PostgresDecoding decoding(flags);
  // Small enough that rows pass around it.
  StreamOfBytes stream(decoding, (flags & 4) != 0 ? 128 : 4096, size);
  const auto bytes = in.rest();
  allowed_to_refuse([&] { stream.feed(bytes, (flags & 8) != 0 ? 7 : 4096); });
  return 0;
}
