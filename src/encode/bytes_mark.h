// How bytes look in JSON that was written already: {"_base64":"..."}, as JsonWriter::bytes() writes it. An object of an
// application that begins so and holds more is an object like any other.
#pragma once

#include <cstddef>
#include <string_view>

namespace deltaforge::encode {

// How much of `json` the bytes take that it begins with; 0: it begins with none.
std::size_t bytes_mark_size(std::string_view json);

// Whether it is bytes, and nothing else.
bool is_bytes_mark(std::string_view json);

// The base64 of such.
std::string_view base64_of(std::string_view mark);

}  // namespace deltaforge::encode
