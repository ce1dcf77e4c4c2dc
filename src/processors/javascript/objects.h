// The events of one call as objects: members are made when a script first looks at them, as ordinary properties. What
// it looked at is remembered with the value that it saw, so that afterwards only that is compared. An object that
// outlives its call keeps what it shows, and refuses to show more.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/batch.h"

struct JSContext;
class JSObject;
namespace JS {
class Value;
class PropertyKey;
template <typename T>
class Handle;
template <typename T>
class MutableHandle;
}  // namespace JS

namespace deltaforge::processors::javascript {

enum class Side : std::uint8_t { before, after };

// Members of an event that are not free for scripts, in the order of encode::kEnvelopeNames.
enum class Member : std::uint8_t {
  after,
  before,
  tags,
  routing,
  op,
  table,
  source,
  timestamp,
  event_id,
  id,
  ts_ms,
  transaction,
  database,
  tx_id,
  synthetic,
  tenant_id,
  tx_end,
  checkpoint,
  other
};

// Whether a script may write to it.
inline bool is_free(Member member) {
  return member == Member::after || member == Member::before || member == Member::tags || member == Member::routing ||
         member == Member::other;
}

// What a script looked at in an image or, with a Member for the column, in an event.
struct Touch {
  std::uint32_t what;
  std::uint32_t original;  // index for Objects::original()
  std::uint32_t next;      // 1 + index of the one before it
};

struct Watched {
  std::uint32_t touches = 0;  // 1 + index of the last
  bool added = false;         // a name that it did not have
  bool removed = false;       // some name: what was looked at and is gone stays gone
  bool tags = false;          // of an event without tags: got some
  bool ignored = false;       // a member that is not free, and that the event does not have
};

class Objects {
 public:
  explicit Objects(JSContext*);
  Objects(const Objects&) = delete;
  Objects& operator=(const Objects&) = delete;
  ~Objects();

  // False: out of memory.
  bool prepare();
  // The events of a call; they must stay until end().
  void begin(Batch&, const std::vector<std::uint32_t>& inputs);
  void end();
  // The `index`th of them as a new object. Null: an exception is pending.
  JSObject* event(std::uint32_t index);

  enum class Which { current, earlier, foreign };
  // Whether it is an event object, and the index of its input.
  Which event_of(JSObject*, std::uint32_t& index) const;
  Which image_of(JSObject*, std::uint32_t& index, Side& side) const;

  Batch& batch() { return *batch_; }
  const Event& input(std::uint32_t index) const { return std::as_const(*batch_).event((*inputs_)[index]); }
  std::uint32_t place(std::uint32_t index) const { return (*inputs_)[index]; }  // in the batch
  std::uint32_t count() const { return static_cast<std::uint32_t>(inputs_->size()); }
  const Watched& watched(std::uint32_t index) const { return cells_[index].event; }
  const Watched& watched(std::uint32_t index, Side side) const { return cells_[index].images[static_cast<int>(side)]; }
  // By value: reading what a script left may make the next one. Nothing: there is none at `place`.
  std::optional<Touch> touch(std::uint32_t place) const {
    return place == 0 ? std::nullopt : std::optional(touches_[place - 1]);
  }
  void original(std::uint32_t index, JS::MutableHandle<JS::Value>) const;
  Member member_of(const JS::PropertyKey&) const;
  // Names of members, and of the columns of a table, as keys.
  JS::PropertyKey key(Member) const;
  JS::PropertyKey column_key(const TableSchema&, std::uint32_t column);
  // Null when the table has no such column.
  const std::uint32_t* column_of(const TableSchema&, const JS::PropertyKey&);

  // Hooks of the engine; false: an exception is pending.
  bool resolve_event(JSObject*, JS::Handle<JS::PropertyKey>, bool* resolved);
  bool resolve_image(JSObject*, JS::Handle<JS::PropertyKey>, bool* resolved);
  bool event_names(JSObject*, std::vector<JS::PropertyKey>& to, bool enumerable_only);
  bool image_names(JSObject*, std::vector<JS::PropertyKey>& to);
  void changed(JSObject*, const JS::PropertyKey&, bool removed);

 private:
  struct Engine;
  struct Cell {
    Watched event, images[2];
  };
  struct Columns;

  Columns& columns(const TableSchema&);
  bool make(Member, std::uint32_t index, JS::MutableHandle<JS::Value>, bool& exists);
  bool image(std::uint32_t index, Side, JS::MutableHandle<JS::Value>);
  bool routing(const Event&, JS::MutableHandle<JS::Value>);
  bool tags(const Event&, JS::MutableHandle<JS::Value>);
  bool source(const Event&, JS::MutableHandle<JS::Value>);
  bool define(JSObject*, JS::Handle<JS::PropertyKey>, JS::Handle<JS::Value>, bool enumerable, Watched&,
              std::uint32_t what);
  bool further_member(JSObject*, JS::Handle<JS::PropertyKey>, std::uint32_t index, bool* resolved);

  JSContext* const context_;
  std::unique_ptr<Engine> engine_;
  Batch* batch_ = nullptr;
  const std::vector<std::uint32_t>* inputs_ = nullptr;
  std::uint32_t generation_ = 0;
  bool defining_ = false;  // what is added is our own doing
  std::vector<Cell> cells_;
  std::vector<Touch> touches_;
  std::vector<std::unique_ptr<Columns>> tables_;
  Columns* last_ = nullptr;
};

}  // namespace deltaforge::processors::javascript
