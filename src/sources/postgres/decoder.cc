#include "sources/postgres/decoder.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/error.h"
#include "core/event_id.h"
#include "sources/postgres/rows.h"

namespace deltaforge::sources::postgres {
namespace {

std::string type_name(char type) {
  if (type > ' ' && type < 127) return {'\'', type, '\''};
  return "byte " + std::to_string(static_cast<unsigned char>(type));
}

}  // namespace

void Decoder::message(std::span<std::byte> bytes, bool in_pages, Lsn at) {
  if (bytes.empty()) stop('\0', at, "the message is empty");
  char type = static_cast<char>(bytes[0]);
  switch (type) {
    case 'I':
    case 'U':
    case 'D': return row(bytes, in_pages, at);
    case 'B': return begin(bytes, at);
    case 'C': return commit(bytes, at);
    case 'T': return truncate(bytes, at);
    case 'M': return logical(bytes, at);
    case 'R': {
      auto result = relations_.put(bytes);
      if (!result) stop(type, at, result.failure().what);
      return;
    }
    default:
      if (!may_be_ignored(type)) stop(type, at, "this version does not know it");
  }
}

bool Decoder::may_drop(Bytes head) const {
  const Relation* relation = relations_.find(row_relation(head));
  if (relation != nullptr) return in_transaction_ && relation->schema == nullptr;
  if (head.empty()) return false;
  const char type = static_cast<char>(head[0]);
  if (type != 'M') return may_be_ignored(type);
  if (messages_ == nullptr) return true;
  constexpr std::size_t kPrefix = 10;  // behind type, flags and place
  if (head.size() <= kPrefix) return false;
  const std::string_view rest = as_text(head.subspan(kPrefix));
  const std::size_t end = rest.find('\0');
  return end != std::string_view::npos && messages_->find(rest.substr(0, end)) == nullptr;
}

void Decoder::begin(Bytes bytes, Lsn at) {
  auto message = read_begin(bytes);
  if (!message) stop('B', at, message.failure().what);
  if (in_transaction_) stop('B', at, "a transaction begins inside another");
  begin_ = *message;
  in_transaction_ = true;
  described_ = false;
  ++transactions_;
}

void Decoder::commit(Bytes bytes, Lsn at) {
  auto message = read_commit(bytes);
  if (!message) stop('C', at, message.failure().what);
  if (!in_transaction_ || message->commit != begin_.commit) stop('C', at, "it ends a transaction that did not begin");
  in_transaction_ = false;
  end_ = message->end;
  ++commits_;
  Mark mark = Mark::of(WalMark{message->end, begin_.xid, settings_.timeline});
  if (described_)
    intake_.commit(mark, info_);
  else
    intake_.idle(mark);
}

const Relation& Decoder::relation(std::uint32_t oid, char type, Lsn at) const {
  if (!in_transaction_) stop(type, at, "it stands outside any transaction");
  const Relation* relation = relations_.find(oid);
  if (relation == nullptr) stop(type, at, "the server did not describe relation " + std::to_string(oid));
  return *relation;
}

void Decoder::row(std::span<std::byte> bytes, bool in_pages, Lsn at) {
  char type = static_cast<char>(bytes[0]);
  const Relation& of = relation(row_relation(bytes), type, at);
  if (of.schema == nullptr) return;
  describe_transaction();
  if (!in_pages) {
    std::byte* copy = intake_.pages().allocate(bytes.size(), 1);
    std::memcpy(copy, bytes.data(), bytes.size());
    bytes = {copy, bytes.size()};
  }
  scratch_.pages = &intake_.pages();
  auto row = read_row(bytes, of, settings_.utf8_unchecked, scratch_);
  if (!row) stop(type, at, "table " + of.schema->full_name + ": " + row.failure().what);
  Event& event = new_event(of.schema, *of.counter);
  event.op = row->op;
  event.before = row->before;
  event.after = row->after;
}

void Decoder::truncate(Bytes bytes, Lsn at) {
  auto message = read_truncate(bytes);
  if (!message) stop('T', at, message.failure().what);
  for (std::uint32_t oid : message->relations) {
    const Relation& of = relation(oid, 'T', at);
    if (of.schema == nullptr) continue;
    describe_transaction();
    new_event(of.schema, *of.counter).op = Op::truncate;
  }
}

// One that belongs to no transaction is sent at once, also when its own is rolled back. It stands between two others,
// and is one of its own. The server keeps no time for it, and ours would be another one after a restart.
void Decoder::logical(Bytes bytes, Lsn at) {
  if (messages_ == nullptr) return;
  auto message = read_logical(bytes);
  if (!message) stop('M', at, message.failure().what);
  if (message->transactional != in_transaction_)
    stop(
        'M', at,
        in_transaction_ ? "it stands inside a transaction that it is no part of" : "it stands outside any transaction");
  Messages::Table* table = messages_->find(message->prefix);
  if (!message->transactional) {
    if (message->end <= end_) stop('M', at, "it stands before what came before it");
    end_ = message->end;
    ++commits_;
    ++transactions_;
    described_ = false;
  }
  if (table != nullptr) {
    if (message->transactional) {
      describe_transaction();
    } else {
      begin_ = {};
      describe("message/" + to_string(message->end), message->end, 0);
    }
    Extra extra;
    extra.after = messages_->row(message->content, intake_.pages());
    Event& event = new_event(table->schema, table->counter);
    event.op = Op::create;
    event.after.present = true;
    event.extra = new (intake_.pages().array<Extra>(1).data()) Extra(extra);
  }
  if (message->transactional) return;
  const Mark mark = Mark::of(WalMark{message->end, 0, settings_.timeline});
  if (table != nullptr)
    intake_.commit(mark, info_);
  else
    intake_.idle(mark);
}

Event& Decoder::new_event(const TableSchema* schema, RowCounter& counter) {
  if (counter.transaction != transactions_) counter = {transactions_, 0};
  Event& event = intake_.event();
  event.schema = schema;
  event.ordinal = ++counter.rows;
  event.locus = locus_;
  return event;
}

void Decoder::describe_transaction() {
  if (described_) return;
  char lsn[18];
  describe({lsn, print_lsn(begin_.commit, lsn)}, begin_.commit, begin_.xid);
}

// `xid` 0: it is no transaction.
void Decoder::describe(std::string_view place, Lsn lsn, std::uint32_t xid) {
  described_ = true;
  char printed[18];
  const std::string_view where(printed, print_lsn(lsn, printed));
  char digits[10];
  std::string_view number(digits,
                          static_cast<std::size_t>(std::to_chars(digits, digits + sizeof digits, xid).ptr - digits));

  char text[64];
  char* at = text;
  for (std::string_view part : {std::string_view(R"("lsn":")"), where, std::string_view(R"(","txId":)"), number})
    at = std::copy(part.begin(), part.end(), at);
  std::string_view locus = intake_.pages().copy({text, static_cast<std::size_t>(at - text)});
  if (xid == 0) locus = locus.substr(0, locus.find(','));
  locus_ = locus;
  info_.ts_us = begin_.ts_us;
  info_.id_hash = transaction_hash(settings_.source_id, settings_.epoch, place);
  info_.transaction_id = xid != 0 ? locus.substr(locus.size() - number.size()) : std::string_view();
}

void Decoder::stop(char type, Lsn at, const std::string& why) const {
  throw Error(
      ErrorKind::undecodable,
      "decoding the replication stream at " + to_string(at) + ", message type " + type_name(type) + ": " + why,
      "nothing was skipped; report this with the server's version, and resume with a build that understands it");
}

}  // namespace deltaforge::sources::postgres
