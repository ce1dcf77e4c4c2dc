// Dates and times of the log -> text. `digits` is the declared number of digits of the fraction, 0 to 6; the text has
// exactly as many. Civil fields are never converted: zero and partly zero dates keep their digits. False: the bytes
// end early, or the server does not store such a value.
#pragma once

#include <cstdint>

#include "base/pages.h"
#include "core/value.h"
#include "sources/mysql/reader.h"

namespace deltaforge::sources::mysql {

inline constexpr unsigned kFractionDigits = 6;

// The civil date of a day; knows the last one by heart, since rows of one time come together.
class DayText {
 public:
  static constexpr std::size_t kSize = 10;
  // "2024-02-29", until the next call. Days since 1970-01-01.
  const char* of(std::uint32_t day) {
    if (day != day_) print(day);
    return text_;
  }

 private:
  void print(std::uint32_t day);
  std::uint32_t day_ = UINT32_MAX;
  char text_[kSize] = {};
};

bool read_date(Reader&, Pages&, Value&);
bool read_datetime(Reader&, unsigned digits, Pages&, Value&);
bool read_timestamp(Reader&, unsigned digits, DayText&, Pages&, Value&);
bool read_time(Reader&, unsigned digits, Pages&, Value&);

// The formats from before MySQL 5.6, and MariaDB's with mysql56_temporal_format=OFF, which alone have fractions.
bool read_old_datetime(Reader&, unsigned digits, Pages&, Value&);
bool read_old_timestamp(Reader&, unsigned digits, DayText&, Pages&, Value&);
bool read_old_time(Reader&, unsigned digits, Pages&, Value&);

}  // namespace deltaforge::sources::mysql
