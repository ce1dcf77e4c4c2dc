#include "base/error.h"

namespace deltaforge {

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::unavailable: return "unavailable";
    case ErrorKind::auth: return "auth";
    case ErrorKind::config: return "config";
    case ErrorKind::unsupported: return "unsupported";
    case ErrorKind::undecodable: return "undecodable";
    case ErrorKind::position_lost: return "position_lost";
    case ErrorKind::sink_state: return "sink_state";
    case ErrorKind::fenced: return "fenced";
    case ErrorKind::source_id_in_use: return "source_id_in_use";
    case ErrorKind::limit: return "limit";
    case ErrorKind::storage: return "storage";
    case ErrorKind::internal: return "internal";
    case ErrorKind::state_lost: return "state_lost";
    case ErrorKind::state_locked: return "state_locked";
  }
  return "unknown";
}

}  // namespace deltaforge
