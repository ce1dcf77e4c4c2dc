// A log event as text. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "obs/log.h"

namespace deltaforge::obs {

// One line with its LF. No control character of the input survives, and the result is valid UTF-8.
std::string log_line(Format, std::int64_t wall_us, Level, std::string_view message, std::span<const Field>);

}  // namespace deltaforge::obs
