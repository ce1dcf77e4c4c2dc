#include "config/node.h"

namespace deltaforge::config {

const std::string& Node::file() const {
  static const std::string kNone;
  return origin_ ? origin_->file : kNone;
}

std::string_view to_string(Node::Kind kind) {
  switch (kind) {
    case Node::Kind::null: return "nothing";
    case Node::Kind::scalar: return "text";
    case Node::Kind::list: return "a list";
    case Node::Kind::map: return "a map";
  }
  return "?";
}

}  // namespace deltaforge::config
