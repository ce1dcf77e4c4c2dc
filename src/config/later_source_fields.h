// Fields that the book gives every source and that this build only knows to refuse.
#pragma once

#include "config/node.h"
#include "config/report.h"

namespace deltaforge::config {

struct NotInThisBuild {};

// snapshot: absent, or one that says never.
inline void read_snapshot(const Node& node, NotInThisBuild&, Report& report) {
  const Node* mode = node.find("mode");
  if (node.is_null() || (node.is_map() && (mode == nullptr || mode->text() == "never"))) return;
  report.add(node, "not in this build: snapshot; write mode: never, or leave it out");
}

inline void read_outbox(const Node& node, NotInThisBuild&, Report& report) {
  if (!node.is_null()) report.add(node, "not in this build: outbox");
}

}  // namespace deltaforge::config
