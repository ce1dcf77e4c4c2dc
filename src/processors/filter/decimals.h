// Decimals of any length, compared digit by digit.
#pragma once

#include <compare>
#include <string_view>

namespace deltaforge::processors::filter {

// Both as JSON writes numbers: -12.50, 1e3.
std::strong_ordering compare_decimals(std::string_view, std::string_view);

}  // namespace deltaforge::processors::filter
