// Sinks from configuration text, as a pipeline makes them.
#pragma once

#include <string>

#include "sinks/redis/redis.h"
#include "sinks/testing/maker.h"

namespace deltaforge::sinks::redis::e2e {

inline SinkMaker maker(const std::string& uri, const std::string& stream, const std::string& more = "") {
  return testing::maker_of("redis", add, "id: r\nuri: " + uri + "\nstream: \"" + stream + "\"\n" + more);
}

}  // namespace deltaforge::sinks::redis::e2e
