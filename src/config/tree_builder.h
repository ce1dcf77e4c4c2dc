// Builds the tree of a document from a parser's events, in the order of the text. Nothing recurses deeper than
// kMaxDepth; every node and byte is paid for before it is made. Parsers of both syntaxes use it (parse.cc,
// parse_json.cc).
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "config/node.h"
#include "config/report.h"

namespace deltaforge::config {

// The text cannot be read any further; the report already says why.
struct Stopped {};

class TreeBuilder {
 public:
  using Anchor = std::size_t;  // 0: none

  TreeBuilder(std::shared_ptr<const Origin> origin, Report& report) : origin_(std::move(origin)), report_(report) {}

  // All of these throw Stopped.
  void begin_document();
  void null(Place, Anchor = 0);
  void scalar(Place, std::string text, bool quoted, Anchor = 0);
  void begin(Node::Kind, Place, Anchor = 0);  // a list, or a map: then key, value, key, value
  void end();
  void alias(Place, Anchor);
  [[noreturn]] void stop(Place, std::string message);

  // The finished document; null when it was empty.
  Node take_root() { return std::exchange(root_, Node{}); }

 private:
  // Of a node with all that is below it.
  struct Cost {
    std::size_t nodes = 1;
    std::size_t bytes = 0;
    std::size_t height = 1;
  };
  struct Anchored {
    Node node;
    Cost cost;
  };
  // A node under construction.
  struct Frame {
    Node node;
    Anchor anchor = 0;
    Cost cost = {};
    std::optional<std::string> key = {};  // a map's, until its value comes
    Place key_place = {};
    std::unordered_map<std::string, Place> keys = {};
  };

  void pay(std::size_t nodes, std::size_t bytes, Place);
  void check_depth(std::size_t height, Place);
  bool wants_key() const { return !frames_.empty() && frames_.back().node.is_map() && !frames_.back().key; }
  std::string next_path() const;
  Node make(Node::Kind, Place);
  void rename(Node&, std::string path);
  void finish(Frame);
  void take_key(Frame& map, const Node& key);

  std::shared_ptr<const Origin> origin_;
  Report& report_;
  std::vector<Frame> frames_;
  std::unordered_map<Anchor, Anchored> anchors_;
  Node root_;
  std::size_t nodes_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace deltaforge::config
