#include "sources/postgres/frames.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace deltaforge::sources::postgres {
namespace {
constexpr std::size_t kHeader = 5;  // type, length
}

std::span<std::byte> Frames::space() {
  if (giant_ && giant_->to != nullptr) return {giant_->to + giant_->have, giant_->size - giant_->have};
  if (begin_ == end_) begin_ = end_ = 0;
  if (giant_) return std::span(buffer_).first(std::min(buffer_.size(), giant_->size - giant_->have));
  // A partial message moves to the front when little room is left behind it.
  if (begin_ > 0 && buffer_.size() - end_ < buffer_.size() / 4) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  return std::span(buffer_).subspan(end_);
}

void Frames::filled(std::size_t bytes) {
  if (giant_)
    giant_->have += bytes;
  else
    end_ += bytes;
}

std::optional<Frame> Frames::next() {
  if (giant_) {
    if (giant_->have < giant_->size) return std::nullopt;
    Frame frame{giant_->type, {giant_->to, giant_->to == nullptr ? 0 : giant_->size}, true};
    giant_.reset();
    if (frame.body.data() != nullptr) return frame;
    return next();
  }
  std::size_t have = end_ - begin_;
  if (have < kHeader) return std::nullopt;
  std::byte* at = buffer_.data() + begin_;
  char type = static_cast<char>(at[0]);
  std::uint32_t length = ByteReader(Bytes(at + 1, 4)).u32();
  if (length < 4 || length > 0x7FFF'FFFF)
    throw Error(ErrorKind::undecodable, "reading the replication stream: a message of " + std::to_string(length) +
                                            " bytes, which cannot be: the connection is damaged");
  std::size_t size = length - 4;
  if (kHeader + size > buffer_.size()) {
    if (have >= kHeader + std::min(kHead, size)) start_giant(type, size);
    return std::nullopt;
  }
  if (have < kHeader + size) return std::nullopt;
  begin_ += kHeader + size;
  return Frame{type, {at + kHeader, size}, false};
}

void Frames::start_giant(char type, std::size_t size) {
  Bytes head(buffer_.data() + begin_ + kHeader, end_ - begin_ - kHeader);
  std::byte* to = placer_.place(type, head, size);
  if (to != nullptr) std::memcpy(to, head.data(), head.size());
  giant_ = Giant{type, to, size, head.size()};
  begin_ = end_ = 0;
}

}  // namespace deltaforge::sources::postgres
