// How problems quote what the user wrote, and guess what was meant.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace deltaforge::config {

// Control characters and invalid UTF-8 as \xNN, long texts cut: safe for terminals and logs.
std::string printable(std::string_view text, std::size_t limit = 64);
// The same in single quotes.
std::string quoted(std::string_view text);

// ", did you mean 'stream'?" for a near miss, else `otherwise`.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known, std::string otherwise);

std::string join(const std::vector<std::string>& words);  // "a, b, c"

// Length of the UTF-8 sequence at the front of `text`, 0 when it is malformed. `text` is not empty.
std::size_t utf8_length(std::string_view text);

}  // namespace deltaforge::config
