// What tells an event from the others that were made of its row (Event::fan_out).
#pragma once

#include <cstddef>
#include <cstdint>

namespace deltaforge {

// Of the `further`-th (from 1) that a processor makes of an event with `fan_out`, behind `copiers` other processors
// that may do the same (ProcessorContext::copiers). Looks at nothing else, so that it is the same when that event comes
// alone. Copies of the first such processor count up; those of later ones have numbers of their own.
std::uint32_t copy_number(std::size_t copiers, std::uint32_t fan_out, std::uint32_t further);

}  // namespace deltaforge
