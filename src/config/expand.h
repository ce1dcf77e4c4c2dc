// Environment variables in scalars: `${NAME}` and `${NAME:-default}` (also when NAME is set but empty), names being
// [A-Z_][A-Z0-9_]*; `$${` is a literal `${`. Values are text of the one scalar: they are not parsed or expanded again.
#pragma once

#include <optional>
#include <string>

#include "config/node.h"
#include "config/report.h"
#include "config/template.h"

namespace deltaforge::config {

Environment process_environment();

// The scalar's text. Nothing when a name is unknown or may not stand there; the report then names the variable, never
// a value. `secret`: the field is a Secret, where a request body may use the environment too.
std::optional<std::string> expand(const Node& scalar, bool secret, Report& report);

// The same for a field that takes template variables besides.
std::optional<Template> expand_template(const Node& scalar, Report& report);

// A template whose variables are the columns of one table: `${total.currency}` is the variable that is
// `${after.total.currency}` elsewhere. A name of the environment that is set there is none; one that is not is a
// column.
std::optional<Template> expand_columns(const Node& scalar, Report& report);
std::string columns_text(const Template&);  // as it would be written

}  // namespace deltaforge::config
