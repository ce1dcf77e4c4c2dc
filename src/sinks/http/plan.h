// `deltaforge plan`: what a start would find at the server.
#pragma once

#include "core/plan.h"
#include "sinks/http/config.h"

namespace deltaforge::sinks::http {

// Connects, TLS included, and sends nothing.
void look_at_server(const Config&, PlanReport&);

// Files of `tls` that cannot be read. Throws Error{config}.
void check_files(const Config&);
// What is worth a warning, each with its remedy; empty for an option that is all right.
std::string plain_text_warning(const Config&);
std::string no_check_warning(const Config&);

}  // namespace deltaforge::sinks::http
