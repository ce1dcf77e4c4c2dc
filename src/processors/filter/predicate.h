// One test of a field, compiled. Transform thread only; no heap.
#pragma once

#include <memory>
#include <vector>

#include "base/slab.h"
#include "core/event.h"
#include "encode/field.h"
#include "processors/filter/config.h"

namespace re2 {
class RE2;
}

namespace deltaforge::processors::filter {

class Predicate {
 public:
  explicit Predicate(const Field&);
  ~Predicate();

  // Of an event without `after` only `changed` holds.
  bool holds(const Event&);

 private:
  bool equals_any(const Value&);
  bool is_ordered(const Value&);
  bool contains(const Value&);
  bool changed(const Event&);

  encode::FieldPath path_;
  Test test_;
  std::vector<Operand> operands_;
  std::unique_ptr<re2::RE2> pattern_;
  Slab scratch_;  // a JSON string without its escapes
};

}  // namespace deltaforge::processors::filter
