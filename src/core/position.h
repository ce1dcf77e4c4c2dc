// A position: where in the source a sink stands, as a set of source transactions that it has. Opaque outside the
// source that wrote it. A parsed object inside the process; JSON only at its edges (stores, sinks, REST).
// Positions are only partly ordered (GTID sets): nothing may ever ask "which is smaller".
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/mark.h"

namespace deltaforge {

// The parsed form, defined by each source.
struct PositionData {
  virtual ~PositionData() = default;
  virtual std::unique_ptr<PositionData> clone() const = 0;
  // Takes over another of the same type without allocating where it can: positions move once per batch.
  virtual void assign(const PositionData& other) = 0;
};

// A value. Empty means "nothing known", never "the beginning".
class Position {
 public:
  Position() = default;
  explicit Position(std::unique_ptr<PositionData> data) : data_(std::move(data)) {}
  Position(const Position& other) : data_(other.data_ ? other.data_->clone() : nullptr) {}
  Position(Position&&) noexcept = default;
  Position& operator=(Position&&) noexcept = default;
  Position& operator=(const Position& other) {
    if (this == &other) return *this;
    if (data_ && other.data_)
      data_->assign(*other.data_);
    else
      data_ = other.data_ ? other.data_->clone() : nullptr;
    return *this;
  }

  bool empty() const { return data_ == nullptr; }
  template <class T>
  T& as() {
    return static_cast<T&>(*data_);
  }
  template <class T>
  const T& as() const {
    return static_cast<const T&>(*data_);
  }

 private:
  std::unique_ptr<PositionData> data_;
};

// Where a transaction stands in the log of one server. Places of one log rise; those of two have no order.
struct LogPlace {
  std::uint64_t log = 0, at = 0;
};

// What can be done with positions. One per source type; pure, any thread.
class PositionAlgebra {
 public:
  virtual ~PositionAlgebra() = default;
  // Does whoever stands at `position` already have the transaction that ends at `mark`? Empty covers nothing.
  virtual bool covers(const Position& position, const Mark& mark) const = 0;
  // Adds transactions. A mark that is covered changes nothing. `position` must not be empty.
  virtual void advance(Position& position, std::span<const Mark> marks) const = 0;
  // What both have. The meet with an empty position is empty.
  virtual Position meet(const Position& a, const Position& b) const = 0;
  virtual bool equal(const Position& a, const Position& b) const = 0;
  virtual LogPlace place(const Mark& mark) const = 0;

  // The members "server", "stream" and "tracks" of a position record, as JSON without the outer braces.
  virtual std::string print(const Position& position) const = 0;
  // Takes a whole position record. Throws Error{sink_state} that names what is wrong with it.
  virtual Position parse(std::string_view record) const = 0;
  // The short form of REST and the `kv` view: {"lsn":"0/16B6C50","tx_id":731}.
  virtual std::string show(const Position& position) const = 0;
};

// Position records as they are stored, here or in a sink: {"v":1,"uid":..,"epoch":..,"server":..,"stream":..,
// "tracks":..}. Implemented by the pipeline, which knows its uid and epoch.
class PositionCodec {
 public:
  virtual ~PositionCodec() = default;
  virtual std::string print(const Position&) const = 0;
  // Throws Error{sink_state}: a record of another uid, of a newer version, or not a record at all. `where` names
  // its place in the message.
  virtual Position parse(std::string_view record, std::string_view where) const = 0;
};

}  // namespace deltaforge
