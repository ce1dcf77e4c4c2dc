#include "sources/mysql/place.h"

#include <gtest/gtest.h>

namespace deltaforge::sources::mysql {
namespace {

constexpr std::uint64_t k4GiB = std::uint64_t{1} << 32;

// Where the event after `at` begins and ends, when the server says that it ends at `log_pos`.
std::pair<std::uint64_t, std::uint64_t> after(std::uint64_t at, std::uint32_t size, std::uint32_t log_pos) {
  Place place;
  place.enter("binlog.000001", at);
  EventHeader header;
  header.size = size;
  header.log_pos = log_pos;
  place.pass(header);
  return {place.start(), place.end()};
}

TEST(Place, OffsetsHave64BitsAndHeaders32) {
  using At = std::pair<std::uint64_t, std::uint64_t>;
  EXPECT_EQ(after(4, 100, 104), At(4, 104));
  EXPECT_EQ(after(4, 100, 5104), At(5004, 5104)) << "the server left something out";
  EXPECT_EQ(after(4, 100, 0), At(4, 104)) << "the server does not say";
  EXPECT_EQ(after(k4GiB - 50, 100, 50), At(k4GiB - 50, k4GiB + 50));
  EXPECT_EQ(after(k4GiB - 50, 100, 0), At(k4GiB - 50, k4GiB + 50));
  EXPECT_EQ(after(k4GiB - 100, 100, 0), At(k4GiB - 100, k4GiB)) << "an end at 4 GiB is a 0 that says it";
  EXPECT_EQ(after(k4GiB - 500, 100, 50), At(k4GiB - 50, k4GiB + 50)) << "left out across the edge";
  EXPECT_EQ(after(3 * k4GiB + 4, 100, 104), At(3 * k4GiB + 4, 3 * k4GiB + 104));
  EXPECT_EQ(after(3 * k4GiB - 50, 100, 50), At(3 * k4GiB - 50, 3 * k4GiB + 50));
}

TEST(Place, AFileIsEnteredWhereTheServerSays) {
  Place place;
  place.enter("binlog.000002", 4);
  EXPECT_EQ(place.file(), "binlog.000002");
  EXPECT_EQ(place.start(), 4u);
  EXPECT_EQ(place.end(), 4u);
}

}  // namespace
}  // namespace deltaforge::sources::mysql
