// What a queue of the journal holds, without the events themselves: which rows each entry holds back, and where it
// stands. Looking at that costs no reading of what may be large. The journal keeps one for each of its queues, and
// guards it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "pipeline/row_keys.h"

namespace deltaforge::pipeline {

// Who could not take an event.
struct Stage {
  bool is_processor = false;
  std::string id;

  std::string text() const { return (is_processor ? "processor:" : "sink:") + id; }
  bool operator==(const Stage&) const = default;
};

// What an entry of a queue is called there: its stage and its event.
struct EntryName {
  Stage stage;
  std::string event_id;

  std::string text() const { return stage.text() + " " + event_id; }
  static std::optional<EntryName> parse(std::string_view);
};

struct Brief {
  std::uint64_t seq = 0;
  std::string event_id;
  std::string position;  // a record that covers the event's transaction
  Order order;
  RowKeys rows;
  std::size_t bytes = 0;   // of the event, as it is kept
  bool of_replay = false;  // of a dead letter: it became that in a replay, not where the log showed it
};
using Briefs = std::vector<std::shared_ptr<const Brief>>;

class QueueIndex {
 public:
  // In the place of one with the same id.
  void put(const Stage&, Brief);
  void drop(std::uint64_t seq);
  void drop_upto(std::uint64_t seq);  // inclusive

  Briefs of(const Stage&) const;  // oldest first
  std::shared_ptr<const Brief> find(const Stage&, const std::string& event_id) const;
  std::size_t size(const Stage&) const;
  std::vector<Stage> stages() const;
  std::uint64_t last_seq() const { return entries_.empty() ? 0 : entries_.rbegin()->first; }

 private:
  using BySeq = std::map<std::uint64_t, std::shared_ptr<const Brief>>;
  struct OfStage {
    Stage stage;
    BySeq entries;
  };
  void forget(std::map<std::uint64_t, EntryName>::iterator);

  std::map<std::uint64_t, EntryName> entries_;                           // by seq
  std::unordered_map<std::string, OfStage> stages_;                      // by Stage::text()
  std::unordered_map<std::string, std::shared_ptr<const Brief>> named_;  // by EntryName::text()
};

}  // namespace deltaforge::pipeline
