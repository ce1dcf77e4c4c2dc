// The directory of one file sink: numbered segments, each with the position that it ends at.
//
//   000000000001.jsonl        a segment, complete for ever once it has this name
//   000000000001.pos          the position record of whoever has all segments up to this one
//   000000000002.jsonl.open   being written; without meaning
//   000000000000.pos          stands for "no segment yet"
//   .lock                     held by flock for as long as the object lives
//
// The highest *.jsonl is the commit point: its .pos is on disk before it gets its name. Lane thread only. Every call
// throws Error{unavailable} when the file system refuses; the object is of no use then, and the next one recovers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace deltaforge::sinks::file {

// What a Segments would find.
struct FoundSegments {
  bool exists = false;                  // the directory; else a start makes it
  std::optional<std::string> holder;    // the process that writes into it
  std::size_t count = 0;                // segments
  std::optional<std::string> position;  // the record of the newest one
  std::string position_path;
};
// Without making, changing or locking anything. Throws what Segments throws, fenced excepted.
FoundSegments look_at_segments(const std::string& directory);

class Segments {
 public:
  // Creates the directory where it is missing, locks it, and deletes what a killed process left behind. Throws Error:
  // fenced (another process has it), sink_state (somebody changed it), auth, config, unavailable.
  explicit Segments(std::string directory);

  // The record of the newest position; nothing when nothing was ever delivered.
  std::optional<std::string> position() const;
  std::string position_path() const { return path(newest_, ".pos"); }

  // Opens the next segment when none is open.
  void write(std::string_view lines);
  bool is_open() const { return static_cast<bool>(open_); }
  // Of the open segment.
  std::uint64_t size() const { return size_; }
  // The open segment becomes the newest, and `position` is where it ends.
  void commit(std::string_view position);
  // No segment is open: the newest position moves on.
  void advance(std::string_view position);

 private:
  void recover();
  std::string path(std::uint64_t number, std::string_view ending) const;
  void write_file(const std::string& path, std::string_view text) const;
  void rename(const std::string& from, const std::string& to) const;

  std::string directory_;
  Fd directory_fd_, lock_, open_;
  std::uint64_t newest_ = 0;
  std::uint64_t size_ = 0;
};

}  // namespace deltaforge::sinks::file
