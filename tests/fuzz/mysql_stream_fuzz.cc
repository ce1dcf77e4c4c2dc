// The server's bytes after COM_BINLOG_DUMP, as the socket gives them: packets, the status byte, events with their
// checksums.
//
//   flags u8 | the stream
#include "fuzz.h"
#include "mysql_decoding.h"
#include "sources/mysql/packets.h"

namespace deltaforge::fuzz {
namespace {

using namespace sources::mysql;

// What stream.cc does between the socket and the decoder.
class StreamOfBytes final : private Placer {
 public:
  StreamOfBytes(MysqlDecoding& decoding, std::size_t buffer, std::size_t limit)
      : decoding_(decoding), limit_(limit), packets_(*this, buffer) {}

  void feed(Bytes bytes, std::size_t piece) {
    fuzz::feed(packets_, bytes, piece, [this](Packet& packet) {
      if (!packet.body.empty() && packet.body[0] == std::byte{0})
        decoding_.event(packet.body.subspan(1), packet.placed);
    });
  }

 private:
  std::byte* place(Bytes head, std::size_t size) override {
    if (decoding_.decoder.may_drop(head)) {
      decoding_.decoder.dropped(head);
      return nullptr;
    }
    // The input ends before it: only its memory would be wanted.
    if (size > limit_) throw Error(ErrorKind::limit, "more than there is");
    return decoding_.intake.pages().allocate(size, 1);
  }

  MysqlDecoding& decoding_;
  std::size_t limit_;
  Packets packets_;
};

}  // namespace
}  // namespace deltaforge::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace deltaforge::fuzz;
  Input in(data, size);
  const std::uint8_t flags = in.byte();
  MysqlDecoding decoding(flags);
  // Small enough that events pass around it.
  StreamOfBytes stream(decoding, (flags & 8) != 0 ? 128 : 4096, size);
  const auto bytes = in.rest();
  allowed_to_refuse([&] { stream.feed(bytes, (flags & 16) != 0 ? 7 : 4096); });
  return 0;
}
