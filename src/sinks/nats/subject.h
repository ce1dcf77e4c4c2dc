// Subjects: which may be published to, and which a stream's subjects capture. Pure.
#pragma once

#include <string>
#include <string_view>

#include "config/template.h"

namespace deltaforge::sinks::nats {

inline constexpr std::size_t kLongestSubject = 1024;

// Why nothing may be published to what encode::destination_problem() lets through, or "": it is too long, or belongs to
// the server.
std::string_view server_problem(std::string_view subject);
// Both, of what is known of a template before there is an event.
std::string template_problem(const config::Template&);

// Whether `pattern` ("orders.*", "orders.>") captures the subject.
bool captures(std::string_view pattern, std::string_view subject);
// What covers every subject that the template can give: "cdc.>" of "cdc.${source.db}.x"; a static one is itself.
std::string cover(const config::Template&);

}  // namespace deltaforge::sinks::nats
