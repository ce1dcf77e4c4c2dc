// The simulated store: it survives crashes of the engine, its writes fail now and then, also after they were done, and
// its queues show the world each entry that leaves them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/store.h"

namespace deltaforge::pipeline::testing {

class SimWorld;

// The primitives that the pipeline's core does not use are left out.
class SimStore final : public Store {
 public:
  explicit SimStore(SimWorld& world) : world_(world) {}
  std::optional<std::string> get(std::string_view ns, std::string_view key) override;
  void put(std::span<const Entry>) override;
  bool erase(std::string_view ns, std::string_view key) override;
  std::vector<std::string> keys(std::string_view ns, std::string_view prefix) override;
  std::uint64_t append(std::string_view, std::string_view, std::string_view) override { return 0; }
  std::vector<LogEntry> since(std::string_view, std::string_view, std::uint64_t) override { return {}; }
  std::optional<Versioned> slot(std::string_view, std::string_view) override { return {}; }
  bool swap(std::string_view, std::string_view, std::uint64_t, std::string_view) override { return false; }
  void push(std::string_view, std::string_view, std::span<const Pushed>) override;
  std::vector<Item> peek(std::string_view, std::string_view, std::size_t, std::uint64_t) override;
  std::optional<Item> find(std::string_view, std::string_view, std::string_view) override;
  std::size_t queued(std::string_view, std::string_view) override;
  bool drop(std::string_view, std::string_view, std::uint64_t) override;
  std::size_t drop_upto(std::string_view, std::string_view, std::uint64_t) override;
  std::vector<std::string> resets() override { return {}; }
  void forget_resets() override {}

  // For the world, which never fails. Is there an entry with this id in any queue but `other_than`?
  bool keeps(const std::string& id, std::string_view other_than = {}) const;
  // Told before an item leaves its queue; `given_up`: by drop_upto().
  std::function<void(std::string_view queue, const Item&, bool given_up)> leaving;

 private:
  struct Queue {
    std::map<std::uint64_t, Item> items;
    std::map<std::string, std::uint64_t, std::less<>> ids;
  };
  void may_fail_before();
  void may_fail_after();
  std::string name_of(const std::string& entry) const;
  void remove(Queue&, std::string_view key, std::uint64_t seq, bool given_up);

  SimWorld& world_;
  // Guards what follows: a pipeline's status may be asked from any thread. `leaving` asks back.
  mutable std::recursive_mutex mutex_;
  std::map<std::pair<std::string, std::string>, std::string, std::less<>> values_;
  std::map<std::string, Queue, std::less<>> queues_;  // all of one namespace
  std::uint64_t last_seq_ = 0;
};

}  // namespace deltaforge::pipeline::testing
