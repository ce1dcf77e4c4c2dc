// The journal of one pipeline: the dead letters (events that a sink or a processor cannot take, for a reason of their
// own) and the events that wait behind them. Both are queues of the store (state_keys.h); what a call has put there is
// on the disk when it returns. Any thread; it outlives runs, and works while the pipeline is stopped.
// Every call throws Error{storage} when the store does.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/slab.h"
#include "core/batch.h"
#include "core/encoder.h"
#include "core/store.h"
#include "pipeline/journal_index.h"
#include "pipeline/options.h"
#include "pipeline/probe.h"

namespace deltaforge::pipeline {

// Why, and where in the source the event stands.
struct Rejection {
  Stage stage;
  std::string kind;  // "serialization", "routing", "too_large", "rejected", "processor"
  std::string reason;
  std::string position;  // a record that covers the event's transaction
  std::string cursor;    // the same in the short form
  Order order = {};
};

struct DeadLetter {
  std::uint64_t seq = 0;
  std::int64_t timestamp = 0;  // when it came here, seconds since the Unix epoch
  std::string event_id;
  Rejection why;
  std::uint64_t attempts = 1;
  bool truncated = false;  // its images are left out: it cannot be replayed
  std::string event;       // what the API shows, JSON
  std::string kept;        // kept_event.h; empty when truncated
  RowKeys rows;
  bool of_replay = false;  // see Brief
};

class Journal {
 public:
  // `encoder` writes what is shown of an event.
  Journal(JournalOptions, std::string pipeline, Store&, std::unique_ptr<Encoder> encoder, const Clock&);

  const std::string& pipeline() const { return pipeline_; }

  // A run begins: since the last one another Journal of this pipeline may have been at its queues.
  void begin();

  // The same event of the same stage is one entry, however often it comes.
  enum class Kept { stored, thrown_away, full };
  Kept keep(const Batch&, const Event&, const Rejection&);
  bool holds(const Stage& stage, const std::string& event_id) { return letter(stage, event_id) != nullptr; }
  std::shared_ptr<const Brief> letter(const Stage&, const std::string& event_id);  // null: there is none
  // The position of an event that waits.
  std::optional<std::string> waits(const Stage&, const std::string& event_id);
  // Events that wait behind others; the same one waits once. False: there is no room for them, unless `beyond` the
  // limit, which is each stage's own.
  struct Waiting {
    std::uint32_t event;
    std::string position;
    Order order;
  };
  bool park(const Stage&, const Batch&, std::span<const Waiting>, bool beyond);
  bool parking_is_full(const Stage&);

  struct Filter {
    std::string sink, processor, kind;  // empty: any
    bool passes(const Stage&) const;
    bool passes(const DeadLetter&) const;
  };
  // Oldest first.
  std::vector<DeadLetter> list(const Filter&, std::size_t limit, std::uint64_t after_seq = 0);
  std::optional<DeadLetter> read(std::uint64_t seq);
  // Of all stages that pass, of whatever kind; in the order of the log.
  Briefs letters(const Filter&);
  // Of one stage, oldest first; and those that wait, with what is kept of one of them.
  Briefs letters(const Stage&);
  Briefs parked(const Stage&);
  std::string parked_event(const Stage&, const std::string& event_id);
  std::size_t count() { return store_.queued(kNamespace, dead_letters_); }
  std::size_t parked_count() { return store_.queued(kNamespace, parked_); }
  // How many were thrown away since the operator last acknowledged or purged entries.
  std::uint64_t lost();

  // They end the wait of what stands behind them.
  std::size_t acknowledge(std::uint64_t up_to_seq);
  std::size_t purge();
  bool drop(std::uint64_t seq);
  void drop_parked(std::span<const std::uint64_t> seqs);
  // Removes what is older than max_age_secs, until `deadline`.
  void clean(SteadyTime deadline);

  // The processors that it has events of; and those of the last run that said so, in their order.
  std::vector<std::string> kept_processors();
  std::vector<std::string> processors();
  void note_processors(const std::vector<std::string>& ids);

  // The number of a source's log (LogPlace::log): higher than those of the logs that were read before it.
  std::uint64_t number_of_log(std::uint64_t log);
  // Entries went: rows may go on. One listener, called on the thread that did it.
  void on_change(std::function<void()>);
  // An attempt to store an entry failed.
  void write_failed() { probe_.write_failed(); }
  const JournalOptions& options() const { return options_; }
  void publish();  // sets the gauges

  static constexpr char kNamespace[] = "journal";
  static std::string dead_letters_of(const std::string& pipeline) { return pipeline + ":dlq"; }
  static std::string parked_of(const std::string& pipeline) { return pipeline + ":parked"; }
  static std::string lost_of(const std::string& pipeline) { return pipeline + ":lost"; }
  static std::string processors_of(const std::string& pipeline) { return pipeline + ":processors"; }
  static std::string logs_of(const std::string& pipeline) { return pipeline + ":logs"; }

 private:
  std::string show(const Batch&, const Event&, bool& truncated);
  void changed();
  void make_room(std::size_t entries);
  std::size_t drop_letters(std::uint64_t up_to_seq);
  void lose(std::size_t entries, std::string_view how);
  void warn_of_saturation(std::size_t entries);
  template <class T>
  std::vector<T> read_list(const std::string& key, std::string_view what);
  std::vector<DeadLetter> page(std::uint64_t after_seq);
  struct Index {
    QueueIndex letters, parked;
  };
  Index& index();

  const JournalOptions options_;
  const std::string pipeline_, dead_letters_, parked_, lost_;
  Store& store_;
  const Clock& clock_;
  JournalProbe probe_;
  std::mutex mutex_;            // what is looked up is still so when it is written; guards the next three
  std::optional<Index> index_;  // none: to be read; while the store changes, for it may not say whether it did
  std::unique_ptr<Encoder> encoder_;
  Slab slab_;
  std::mutex listener_mutex_;
  std::function<void()> listener_;
};

}  // namespace deltaforge::pipeline
