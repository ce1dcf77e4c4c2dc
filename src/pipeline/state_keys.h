// Where a pipeline's state stands in the store.
#pragma once

#include <string>

namespace deltaforge::pipeline {

inline constexpr char kCheckpoints[] = "checkpoints";             // position records a sink has acknowledged
inline constexpr char kCheckpointsShort[] = "checkpoints_short";  // the same as people read them (`kv` view)
inline constexpr char kOrigins[] = "origins";                     // where a sink began, until it has a checkpoint
inline constexpr char kHolds[] = "holds";                         // of sinks that are detached, and have not caught up
inline constexpr char kSent[] = "sent";                           // what a sink may be sent again, by stretches
inline constexpr char kSinkNotes[] = "sink_notes";                // a sink's own text (SinkContext::remember)
inline constexpr char kIdentity[] = "pipelines";                  // uid and epoch, by pipeline name
inline constexpr char kSourceState[] = "source_state";            // a source's own values

// Where a sink stands, by its sink_key(); and all that is kept of it.
inline constexpr const char* kPositions[] = {kCheckpoints, kCheckpointsShort, kOrigins, kHolds, kSent};
inline constexpr const char* kOfSinks[] = {kCheckpoints, kCheckpointsShort, kOrigins, kHolds, kSent, kSinkNotes};

// No id holds "::", so what one source keeps never looks like another's.
inline std::string source_prefix(const std::string& source) { return source + "::"; }
inline std::string sink_key(const std::string& source, const std::string& sink) { return source + "::sink::" + sink; }

}  // namespace deltaforge::pipeline
