#include "sources/postgres/pgoutput.h"

namespace deltaforge::sources::postgres {
namespace {

ByteReader body_of(Bytes message) { return ByteReader(message.empty() ? message : message.subspan(1)); }

// The one check at the end of every message: nothing was missing and nothing is left over.
template <class T>
Result<T> finish(T&& message, const ByteReader& reader, const char* what) {
  if (!reader.ok()) return DecodeFailure{std::string(what) + " ends early", reader.offset() + 1};
  if (reader.left() != 0) return DecodeFailure{std::string(what) + " has bytes left over", reader.offset() + 1};
  return std::forward<T>(message);
}

// The server counts from 2000. False: of no transaction that anybody committed.
bool read_time(ByteReader& in, std::int64_t& unix_us) {
  return !__builtin_add_overflow(in.i64(), kPostgresEpochUs, &unix_us);
}

std::string_view schema_name(std::string_view sent) { return sent.empty() ? "pg_catalog" : sent; }

}  // namespace

Result<BeginMessage> read_begin(Bytes bytes) {
  ByteReader in = body_of(bytes);
  BeginMessage message;
  message.commit = Lsn{in.u64()};
  if (!read_time(in, message.ts_us)) return DecodeFailure{"begin message with an impossible time", in.offset()};
  message.xid = in.u32();
  return finish(std::move(message), in, "begin message");
}

Result<CommitMessage> read_commit(Bytes bytes) {
  ByteReader in = body_of(bytes);
  CommitMessage message;
  in.u8();  // flags, unused by the server
  message.commit = Lsn{in.u64()};
  message.end = Lsn{in.u64()};
  if (!read_time(in, message.ts_us)) return DecodeFailure{"commit message with an impossible time", in.offset()};
  return finish(std::move(message), in, "commit message");
}

Result<RelationMessage> read_relation(Bytes bytes) {
  ByteReader in = body_of(bytes);
  RelationMessage message;
  message.id = in.u32();
  message.schema = schema_name(in.c_string());
  message.table = in.c_string();
  message.identity = static_cast<char>(in.u8());
  std::uint16_t count = in.u16();
  message.columns.reserve(std::min<std::size_t>(count, in.left()));
  for (std::uint16_t i = 0; i < count && in.ok(); ++i) {
    RelationMessage::Column column;
    column.in_identity = (in.u8() & 1) != 0;
    column.name = in.c_string();
    column.type = in.u32();
    column.modifier = in.i32();
    message.columns.push_back(column);
  }
  return finish(std::move(message), in, "relation message");
}

Result<TruncateMessage> read_truncate(Bytes bytes) {
  ByteReader in = body_of(bytes);
  TruncateMessage message;
  std::uint32_t count = in.u32();
  in.u8();  // CASCADE, RESTART IDENTITY: the cascade's own tables are in the list
  message.relations.reserve(std::min<std::size_t>(count, in.left() / 4 + 1));
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) message.relations.push_back(in.u32());
  return finish(std::move(message), in, "truncate message");
}

Result<LogicalMessage> read_logical(Bytes bytes) {
  ByteReader in = body_of(bytes);
  LogicalMessage message;
  message.transactional = (in.u8() & 1) != 0;
  message.end = Lsn{in.u64()};
  message.prefix = in.c_string();
  message.content = in.text(in.u32());
  return finish(std::move(message), in, "logical message");
}

std::uint32_t row_relation(Bytes bytes) {
  if (bytes.size() < 5) return 0;
  char type = static_cast<char>(bytes[0]);
  if (type != 'I' && type != 'U' && type != 'D') return 0;
  return ByteReader(bytes.subspan(1)).u32();
}

bool may_be_ignored(char type) { return type == 'Y' || type == 'O' || type == 'A'; }

}  // namespace deltaforge::sources::postgres
