// Settings of the filter.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <vector>

#include "config/node.h"
#include "config/report.h"
#include "config/spec.h"
#include "config/table_pattern.h"
#include "core/event.h"

namespace deltaforge::processors::filter {

enum class Test { eq, ne, exists, not_exists, gt, gte, lt, lte, in, not_in, contains, changed, regex };

// What a field is compared with: text, a number, or a truth value. A number keeps its text, for columns that are text.
struct Operand {
  std::string text;
  std::optional<long double> number;
  double real = 0;  // the number as a column of double precision would hold it
  std::optional<bool> truth;
  std::strong_ordering rounded = std::strong_ordering::equal;  // a whole `number`, against the one that was written
};

struct Operands {
  std::vector<Operand> all;
  bool list = false;  // as it was written
};

struct Field {
  std::string path;
  Test op = Test::eq;
  Operands value;  // one, but of `in` and `not_in`

  static const config::Spec<Field>& spec();
  void check(const config::Node&, config::Report&) const;
};

struct Tables {
  std::vector<config::TablePattern> include, exclude;

  static const config::Spec<Tables>& spec();
};

struct Config {
  enum class Type { filter };
  enum class Match { all, any };

  Type type = Type::filter;
  std::string id = "filter";
  std::vector<Op> ops;  // empty: all
  Tables tables;
  std::vector<Field> fields;
  Match match = Match::all;

  static const config::Spec<Config>& spec();
};

}  // namespace deltaforge::processors::filter
