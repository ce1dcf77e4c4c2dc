// What a call gave back, as events. Everything new lies in the pages of the batch; its events stay as they are.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/slab.h"
#include "processors/javascript/from_js.h"
#include "processors/javascript/objects.h"
#include "processors/javascript/script.h"

namespace deltaforge::processors::javascript {

// Kept from call to call: they are large.
struct Scratch {
  Slab text, compare;
};

// Of one call. False: a JavaScript exception is pending; what `out` got is then of no use.
class Collector {
 public:
  Collector(JSContext*, Objects&, const Settings&, std::size_t most_bytes, Scratch&, std::vector<Output>& out);

  // A list of events, one event, or nothing: then what `given` is (the list, or the event, that the call got).
  bool returned(JS::Handle<JS::Value>, JS::Handle<JS::Value> given);
  // New objects that follow belong to this input.
  void begin_with(std::uint32_t input) { last_ = input; }
  // A script wrote to a member that is not its own.
  bool ignored_write() const { return ignored_; }

 private:
  struct Draft;

  bool one(JS::Handle<JS::Value>);
  bool is_like_event(JS::Handle<JSObject*>);
  bool touched(JS::Handle<JSObject*>, Draft&);
  bool plain(JS::Handle<JSObject*>, Draft&);
  bool find_input(JS::Handle<JSObject*>, bool& found);
  bool add(Draft&);
  bool note_copied(const Draft&, Member, JS::Handle<JS::Value> now);

  bool image(Draft&, Side, JS::Handle<JS::Value>);
  bool looked_at(Draft&, Side, JS::Handle<JSObject*>);
  bool differs(const Value&, const Touch&, JS::Handle<JS::Value> now, bool& yes);
  bool column_value(JS::Handle<JS::Value>, const Value& was, Value& to);
  bool image_text(Draft&, Side, JS::Handle<JSObject*>, encode::JsonWriter&);
  bool written(JS::Handle<JS::Value>, std::string& to);
  bool tags(Draft&, JS::Handle<JS::Value>);
  bool routing(Draft&, JS::Handle<JS::Value>);
  bool headers(Draft&, JS::Handle<JS::Value>);
  bool further_members(Draft&, JS::Handle<JSObject*>);
  bool plain_text(JS::Handle<JS::Value>, const char* what, std::string_view& to);
  bool fail(const std::string&);

  JSContext* const context_;
  Objects& objects_;
  const Settings& settings_;
  std::vector<Output>& out_;
  JsonOut json_;
  Slab &slab_, &compare_;
  struct Given {
    bool once = false;          // it came back itself
    std::uint32_t further = 0;  // how many others belong to it
  };
  std::vector<Given> given_;
  std::unordered_map<std::string, std::uint32_t> ids_;  // of the inputs, once somebody asks
  std::string scratch_;
  std::uint32_t last_ = 0;
  bool ignored_ = false;
};

}  // namespace deltaforge::processors::javascript
