// Sinks from configuration text, as a pipeline makes them.
#pragma once

#include <string>

#include "sinks/nats/nats.h"
#include "sinks/testing/maker.h"

namespace deltaforge::sinks::nats::e2e {

inline SinkMaker maker(const std::string& url, const std::string& subject, const std::string& more = "") {
  return testing::maker_of("nats", add, "id: n\nurl: " + url + "\nsubject: \"" + subject + "\"\n" + more);
}

}  // namespace deltaforge::sinks::nats::e2e
