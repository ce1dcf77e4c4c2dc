// The stream of pgoutput messages -> transactions in the intake. Knows no socket and no clock, so recorded bytes test
// it. Source thread only.
//
// Whatever it does not understand is an Error{undecodable} that names the place in the log and the message type: a
// message that is skipped could be a row that is lost.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "core/source.h"
#include "sources/postgres/messages.h"
#include "sources/postgres/relations.h"
#include "sources/postgres/wal_position.h"

namespace deltaforge::sources::postgres {

class Decoder {
 public:
  struct Settings {
    std::string source_id;
    std::string epoch;
    std::uint32_t timeline = 0;
    bool utf8_unchecked = false;
  };

  // `messages`: of applications; null: none is wanted.
  Decoder(Settings settings, RelationCache& relations, Intake& intake, Messages* messages = nullptr)
      : settings_(std::move(settings)), relations_(relations), intake_(intake), messages_(messages) {}

  // One message. `in_pages`: it lies in intake.pages() already, else it is copied there if its row is wanted.
  // `at`: where in the log the server says it stems from.
  void message(std::span<std::byte> bytes, bool in_pages, Lsn at);
  // Nothing of this message is needed: it begins like a row of a table that is not captured, or like one that may
  // be ignored.
  bool may_drop(Bytes head) const;

  bool in_transaction() const { return in_transaction_; }
  // End of the last transaction, captured or not.
  Lsn end() const { return end_; }
  // Changes whenever the intake was given a transaction.
  std::uint64_t commits() const { return commits_; }

 private:
  void begin(Bytes, Lsn at);
  void commit(Bytes, Lsn at);
  void row(std::span<std::byte>, bool in_pages, Lsn at);
  void truncate(Bytes, Lsn at);
  void logical(Bytes, Lsn at);
  const Relation& relation(std::uint32_t oid, char type, Lsn at) const;
  Event& new_event(const TableSchema*, RowCounter&);
  // Once per transaction, at its first captured row.
  void describe_transaction();
  // `place`: of the commit record, or what stands for it.
  void describe(std::string_view place, Lsn lsn, std::uint32_t xid);
  [[noreturn]] void stop(char type, Lsn at, const std::string& why) const;

  const Settings settings_;
  RelationCache& relations_;
  Intake& intake_;
  Messages* const messages_;
  Scratch scratch_;

  bool in_transaction_ = false;
  BeginMessage begin_;
  std::uint64_t transactions_ = 0;  // counts them, for the row counters
  bool described_ = false;
  std::string_view locus_;
  TransactionInfo info_;
  Lsn end_{};
  std::uint64_t commits_ = 0;
};

}  // namespace deltaforge::sources::postgres
