// Cuts deliveries into units: one for each event, or arrays for batch_mode, and says which of them must wait for which.
// An array holds events of one delivery with one URL, in their order, and where its end is depends on that delivery
// alone: what is tried again gives the same arrays. So it is after a restart, for the deliveries are the same
// (Sink::wants_same_deliveries). Lane thread.
//
// A TRUNCATE goes when everything before it is done, and nothing passes it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "sinks/http/key_order.h"
#include "sinks/http/request_writer.h"
#include "sinks/http/unit.h"

namespace deltaforge::sinks::http {

class Cutter {
 public:
  // So many events are looked at beyond the oldest without an answer.
  static constexpr std::size_t kAhead = 1024;
  static constexpr std::size_t kLongestArray = 1000;
  static constexpr std::size_t kScan = 4 * kLongestArray;  // events that are put into arrays together

  Cutter(bool arrays, RequestWriter& writer) : arrays_(arrays), writer_(writer) {}

  // Appends to `ready` the units that wait for nobody. False: nothing to cut, or there is enough.
  bool cut(std::deque<Parcel>&, std::vector<Unit*>& ready);
  // Everything of it is done. Appends those that waited for it alone.
  void finish(Unit&, std::vector<Unit*>& ready);
  // Nobody waits for it any more: it stands at, or behind, an event that is refused, and what it shares keys with
  // before that is done. Once.
  void step_aside(Unit&, std::vector<Unit*>& ready);

  template <class F>
  void for_each_live(F&& f) {
    for (const auto& unit : units_)
      if (unit->parcel != nullptr) f(*unit);
  }

 private:
  Unit& take(Parcel&);
  void add(Unit&, std::uint32_t event);
  void enter(Unit&, std::uint64_t key);
  void cut_one(Parcel&, std::vector<Unit*>& ready);
  void cut_arrays(Parcel&, std::vector<Unit*>& ready);
  Unit& array_for(Parcel&, const Event&);

  const bool arrays_;
  RequestWriter& writer_;
  KeyOrder order_;
  std::vector<std::unique_ptr<Unit>> units_;
  std::vector<std::uint32_t> idle_;
  std::size_t live_ = 0, ahead_ = 0;
  bool barrier_ = false;                         // a TRUNCATE is under way
  std::unordered_map<std::string, Unit*> open_;  // by group; while arrays are filled
  std::vector<Unit*> filled_;
};

}  // namespace deltaforge::sinks::http
