#include "sources/mysql/group_start.h"

#include <array>
#include <bit>

namespace deltaforge::sources::mysql {
namespace {

constexpr std::uint64_t kTimeBits = (std::uint64_t{1} << 55) - 1;

// flags u8 | uuid 16 | gno u64 | [2 u8 | last committed u64 | sequence u64 | [committed here u56, its top bit: another
// u56 follows, committed first] ...]. Servers before 8.0 end early.
Result<GroupStart> read_gtid(EventType type, Bytes body) {
  Reader in(body);
  GroupStart start;
  in.u8();
  Bytes uuid = in.bytes(16);
  start.gno = in.u64();
  if (!in.ok()) return DecodeFailure{"the GTID ends early", in.offset()};
  if (type == EventType::gtid) {
    start.id = GroupStart::Id::mysql;
    start.sid = *Sid::of(uuid);
    if (start.gno == 0 || start.gno > GtidSet::kMaxNumber)
      return DecodeFailure{"the GTID's number is out of bounds", 17};
  }
  if (in.left() < 17 + 7 || in.u8() != 2) return start;
  in.skip(16);
  std::uint64_t here = in.natural(7);
  std::uint64_t first = (here & ~kTimeBits) != 0 && in.left() >= 7 ? in.natural(7) : here;
  start.commit_us = static_cast<std::int64_t>(first & kTimeBits);
  return start;
}

// The number format of mysql::serialization: as many further bytes as the first one has trailing one bits, all of it
// little-endian above those bits and a zero.
std::uint64_t variable(Reader& in) {
  const std::uint8_t first = in.u8();
  const auto more = static_cast<std::size_t>(std::countr_one(first));
  if (more == 8) return in.u64();
  const std::uint64_t rest = more == 0 ? 0 : in.natural(more);
  const std::uint64_t low = first >> (more + 1);
  return more == 7 ? rest : low | rest << (7 - more);
}

// Signed numbers alternate: 0, -1, 1, -2, ...
std::int64_t variable_signed(Reader& in) {
  const std::uint64_t raw = variable(in);
  return static_cast<std::int64_t>(raw >> 1) ^ -static_cast<std::int64_t>(raw & 1);
}

// version | size | last field that must be known | (field number | value)*. Fields: 0 flags, 1 uuid as 16 numbers,
// 2 gno, 3 tag (size, text), 4 last committed, 5 sequence, 6 committed here, 7 committed first, 8 length, 9 ...
Result<GroupStart> read_tagged(Bytes body) {
  Reader in(body);
  GroupStart start;
  start.id = GroupStart::Id::mysql;
  std::array<std::byte, 16> uuid{};
  std::string_view tag;
  variable(in);
  variable(in);
  const std::uint64_t must_know = variable(in);
  if (must_know > 11) return DecodeFailure{"the tagged GTID has a field that must be known and is not", in.offset()};
  while (in.ok() && in.left() > 0) {
    const std::uint64_t field = variable(in);
    if (field > 9) break;
    switch (field) {
      case 1:
        for (std::byte& byte : uuid) byte = static_cast<std::byte>(variable(in));
        break;
      case 2: start.gno = static_cast<std::uint64_t>(variable_signed(in)); break;
      case 3: tag = in.text(static_cast<std::size_t>(variable(in))); break;
      case 4:
      case 5: variable_signed(in); break;
      case 6:
      case 7: start.commit_us = static_cast<std::int64_t>(variable(in) & kTimeBits); break;
      default: variable(in);
    }
  }
  auto sid = Sid::of(uuid, tag);
  if (!in.ok() || !sid || start.gno == 0 || start.gno > GtidSet::kMaxNumber)
    return DecodeFailure{"the tagged GTID makes no sense", in.offset()};
  start.sid = *sid;
  return start;
}

// sequence u64 | domain u32 | flags u8 | [commit group u64] | [format u32 | sizes of both parts u8 u8 | the XA id];
// the server's id stands in the header.
Result<GroupStart> read_mariadb(const EventHeader& header, Bytes body) {
  constexpr std::uint8_t kStandalone = 1, kCommitGroup = 2, kPreparesXa = 64, kEndsXa = 128;
  Reader in(body);
  GroupStart start;
  start.id = GroupStart::Id::mariadb;
  start.mariadb.server = header.server_id;
  start.mariadb.sequence = in.u64();
  start.mariadb.domain = in.u32();
  const std::uint8_t flags = in.u8();
  start.standalone = (flags & kStandalone) != 0;
  start.prepares_xa = (flags & kPreparesXa) != 0;
  if ((flags & (kPreparesXa | kEndsXa)) != 0) {
    if ((flags & kCommitGroup) != 0) in.skip(8);
    const std::size_t begin = in.offset();
    in.skip(4);
    const std::size_t size = std::size_t{in.u8()} + in.u8();
    in.skip(size);
    if (in.ok()) start.xid = as_text(body.subspan(begin, in.offset() - begin));
  }
  start.commit_us = std::int64_t{header.timestamp} * 1'000'000;
  if (!in.ok()) return DecodeFailure{"the GTID ends early", in.offset()};
  return start;
}

}  // namespace

Result<GroupStart> read_group_start(const EventHeader& header, Bytes body) {
  if (header.type == EventType::gtid_tagged) return read_tagged(body);
  if (header.type == EventType::mariadb_gtid) return read_mariadb(header, body);
  return read_gtid(header.type, body);
}

}  // namespace deltaforge::sources::mysql
