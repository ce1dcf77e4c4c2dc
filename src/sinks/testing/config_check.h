// What is wrong with a component's `config:` text, one problem a line; empty when it is valid.
#pragma once

#include <string>
#include <string_view>

#include "config/parse.h"
#include "config/report.h"

namespace deltaforge::sinks::testing {

template <class Component>
std::string problems(std::string_view yaml, typename Component::Config* out = nullptr) {
  config::Report report;
  auto documents = config::parse(yaml, "test.yaml", report);
  typename Component::Config parsed;
  if (!documents.empty()) {
    Component::Config::spec().parse(documents[0].root, parsed, report);
    if constexpr (requires { parsed.check(documents[0].root, report); }) parsed.check(documents[0].root, report);
  }
  if (out != nullptr) *out = parsed;
  return report.text();
}

}  // namespace deltaforge::sinks::testing
