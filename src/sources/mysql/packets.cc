#include "sources/mysql/packets.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/error.h"
#include "sources/mysql/event_header.h"
#include "sources/mysql/reader.h"

namespace deltaforge::sources::mysql {
namespace {

[[noreturn]] void damaged(const std::string& why) {
  throw Error(ErrorKind::undecodable, "reading the binary log stream: " + why + ": the connection is damaged");
}

std::size_t length_of(const std::byte* header) { return Reader(Bytes(header, 3)).u24(); }

}  // namespace

void Packets::check_sequence(std::byte sequence) {
  if (std::to_integer<std::uint8_t>(sequence) != sequence_++) damaged("a packet is missing or came twice");
}

std::span<std::byte> Packets::space() {
  if (giant_) {
    if (giant_->left == 0 && !giant_->more) return {};  // whole: next() hands it out
    if (giant_->left == 0) return std::span(giant_->header).subspan(giant_->header_have);
    if (giant_->to != nullptr) return {giant_->to + giant_->have, giant_->left};
    return std::span(buffer_).first(std::min(buffer_.size(), giant_->left));
  }
  if (begin_ == end_) begin_ = end_ = 0;
  // A partial packet moves to the front when little room is left behind it.
  if (begin_ > 0 && buffer_.size() - end_ < buffer_.size() / 4) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  return std::span(buffer_).subspan(end_);
}

void Packets::filled(std::size_t bytes) {
  if (!giant_) {
    end_ += bytes;
  } else if (giant_->left == 0) {
    giant_->header_have += bytes;
    if (giant_->header_have == kHeader) next_packet_of_giant();
  } else {
    giant_->have += bytes;
    giant_->left -= bytes;
  }
}

void Packets::next_packet_of_giant() {
  check_sequence(giant_->header[3]);
  giant_->left = length_of(giant_->header.data());
  giant_->more = giant_->left == kMostInOne;
  giant_->header_have = 0;
  if (giant_->left > giant_->size - giant_->have) damaged("an event is longer than its header says");
}

std::optional<Packet> Packets::next() {
  if (giant_) {
    if (giant_->left > 0 || giant_->more) return std::nullopt;
    if (giant_->have != giant_->size) damaged("an event is shorter than its header says");
    Packet packet{{giant_->to, giant_->to == nullptr ? 0 : giant_->size}, true};
    giant_.reset();
    if (packet.body.data() != nullptr) return packet;
    return next();
  }
  const std::size_t have = end_ - begin_;
  if (have < kHeader) return std::nullopt;
  std::byte* at = buffer_.data() + begin_;
  const std::size_t size = length_of(at);
  if (kHeader + size > buffer_.size()) {
    if (have < kHeader + kHead) return std::nullopt;
    check_sequence(at[3]);
    start_giant(Bytes(at + kHeader, have - kHeader), size == kMostInOne ? event_size(Bytes(at + kHeader, kHead)) : size,
                size);
    return std::nullopt;
  }
  if (have < kHeader + size) return std::nullopt;
  check_sequence(at[3]);
  begin_ += kHeader + size;
  return Packet{{at + kHeader, size}, false};
}

// A body that goes on in further packets tells its size in the header of its event.
std::size_t Packets::event_size(Bytes head) {
  EventHeader header = read_header(head.subspan(1));
  if (std::to_integer<int>(head[0]) != 0 || header.size < kMostInOne - 1) damaged("an oversized packet is no event");
  return 1 + std::size_t{header.size};
}

void Packets::start_giant(Bytes head, std::size_t size, std::size_t in_first) {
  // All that was received belongs to it: it is larger than the buffer.
  std::byte* to = placer_.place(head, size);
  if (to != nullptr) std::memcpy(to, head.data(), head.size());
  giant_ = Giant{
      .to = to, .size = size, .have = head.size(), .left = in_first - head.size(), .more = in_first == kMostInOne};
  begin_ = end_ = 0;
}

}  // namespace deltaforge::sources::mysql
