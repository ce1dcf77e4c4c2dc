// What is UTF-8: table 3-7 of the Unicode standard, so no overlong forms and no surrogates.
#pragma once

#include <cstddef>
#include <string_view>

namespace deltaforge {

// Length of the sequence at `at`, whose first byte is >= 0x80; 0 when it is none.
std::size_t utf8_sequence(const char* at, const char* end);

// Where the text stops being UTF-8; its size when it never does.
std::size_t utf8_prefix(std::string_view text);

inline bool is_utf8(std::string_view text) { return utf8_prefix(text) == text.size(); }

}  // namespace deltaforge
