// Sinks from configuration text, as a pipeline makes them.
#pragma once

#include <string>

#include "sinks/http/http.h"
#include "sinks/testing/maker.h"

namespace deltaforge::sinks::http::e2e {

inline SinkMaker maker(const std::string& url, const std::string& more = "") {
  return testing::maker_of("http", add, "id: h\nurl: \"" + url + "\"\n" + more);
}

}  // namespace deltaforge::sinks::http::e2e
