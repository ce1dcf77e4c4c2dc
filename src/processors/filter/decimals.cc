#include "processors/filter/decimals.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>

namespace deltaforge::processors::filter {
namespace {

// 0.digits * 10^exponent, without zeros at either end; no digits: zero.
struct Decimal {
  bool negative = false;
  std::string digits;
  std::int64_t exponent = 0;
};

Decimal read(std::string_view text) {
  Decimal read;
  read.negative = text.starts_with('-');
  if (read.negative || text.starts_with('+')) text.remove_prefix(1);
  if (const std::size_t e = text.find_first_of("eE"); e != std::string_view::npos) {
    std::string_view exponent = text.substr(e + 1);
    if (exponent.starts_with('+')) exponent.remove_prefix(1);
    std::from_chars(exponent.data(), exponent.data() + exponent.size(), read.exponent);
    text = text.substr(0, e);
  }
  const std::size_t point = text.find('.');
  read.digits = text.substr(0, point);
  read.exponent += static_cast<std::int64_t>(read.digits.size());
  if (point != std::string_view::npos) read.digits += text.substr(point + 1);
  const std::size_t first = std::min(read.digits.find_first_not_of('0'), read.digits.size());
  read.digits.erase(0, first);
  read.exponent -= static_cast<std::int64_t>(first);
  read.digits.resize(read.digits.find_last_not_of('0') + 1);
  return read;
}

std::strong_ordering compare_sizes(const Decimal& a, const Decimal& b) {
  if (a.exponent != b.exponent) return a.exponent <=> b.exponent;
  return a.digits.compare(b.digits) <=> 0;
}

}  // namespace

std::strong_ordering compare_decimals(std::string_view left, std::string_view right) {
  const Decimal a = read(left), b = read(right);
  const int sign_of_a = a.digits.empty() ? 0
                        : a.negative     ? -1
                                         : 1,
            sign_of_b = b.digits.empty() ? 0
                        : b.negative     ? -1
                                         : 1;
  if (sign_of_a != sign_of_b || sign_of_a == 0) return sign_of_a <=> sign_of_b;
  return a.negative ? compare_sizes(b, a) : compare_sizes(a, b);
}

}  // namespace deltaforge::processors::filter
