// Logs: one JSON object (or one text line) an event, to stderr, control characters escaped. A line holds a message
// that users can grep for and named fields; never row data, never a Secret (it has no conversion to text).
// Thread-safe. One thread writes, one line one write(2). A stalled stderr never stalls a pipeline: lines wait in a
// queue of 1 MiB, what does not fit is dropped and counted, and the next line that gets through says how many.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <variant>

namespace deltaforge::obs {

enum class Level { trace, debug, info, warn, error };
enum class Format { json, text };

struct Field {
  std::string_view key;
  std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool> value;
};

// At process start; before it, lines of `info` and above go out as JSON.
void configure_log(Level, Format);
bool log_enabled(Level);
Level log_level();
void set_log_level(Level);
std::string_view to_string(Level);

void log(Level, std::string_view message, std::initializer_list<Field> = {});
// The same, but of lines with an equal message, `key` and field `pipeline` one goes out in 10 s; the next says how many
// were left out ("repeated").
void log_limited(Level, std::string_view key, std::string_view message, std::initializer_list<Field> = {});

// Waits until what was logged is written, at most one second; false: some of it is not. Runs at exit by itself.
bool flush_log();

inline void debug(std::string_view m, std::initializer_list<Field> f = {}) { log(Level::debug, m, f); }
inline void info(std::string_view m, std::initializer_list<Field> f = {}) { log(Level::info, m, f); }
inline void warn(std::string_view m, std::initializer_list<Field> f = {}) { log(Level::warn, m, f); }
inline void error(std::string_view m, std::initializer_list<Field> f = {}) { log(Level::error, m, f); }

}  // namespace deltaforge::obs
