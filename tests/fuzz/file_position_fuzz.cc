// The .pos file of the file sink, which anybody may have edited.
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "fuzz.h"
#include "pipeline/position_record.h"
#include "sinks/file/segments.h"
#include "sources/postgres/wal_position.h"

namespace {

using namespace deltaforge;

std::string directory() {
  const auto path = std::filesystem::temp_directory_path() / ("df-fuzz-pos-" + std::to_string(::getpid()));
  std::filesystem::create_directories(path);
  std::atexit([] {
    std::filesystem::remove_all(std::filesystem::temp_directory_path() / ("df-fuzz-pos-" + std::to_string(::getpid())));
  });
  return path.string();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static sinks::file::Segments segments(directory());
  const std::string text = fuzz::Input(data, size).text();
  std::ofstream(segments.position_path(), std::ios::binary | std::ios::trunc) << text;
  const sources::postgres::WalAlgebra wal;
  const pipeline::RecordCodec codec(wal, "u", 1);
  std::optional<std::string> record;
  fuzz::require(fuzz::allowed_to_refuse([&] { record = segments.position(); }), "the file can be read");
  fuzz::require(record.has_value() && text.starts_with(*record), "it is read as it is");
  fuzz::allowed_to_refuse([&] { (void)codec.parse(*record, segments.position_path()); });
  return 0;
}
