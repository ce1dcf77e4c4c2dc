#include "config/tree_builder.h"

#include <algorithm>

#include <fmt/format.h>

#include "config/parse.h"
#include "config/wording.h"

namespace deltaforge::config {
namespace {
constexpr std::size_t kLongestPath = 200;
}

void TreeBuilder::begin_document() {
  frames_.clear();
  anchors_.clear();
  root_ = Node{};
}

void TreeBuilder::null(Place place, Anchor anchor) { finish({make(Node::Kind::null, place), anchor}); }

void TreeBuilder::scalar(Place place, std::string text, bool quoted, Anchor anchor) {
  pay(0, text.size(), place);
  Frame scalar{make(Node::Kind::scalar, place), anchor};
  scalar.node.quoted_ = quoted;
  scalar.cost.bytes = text.size();
  scalar.node.text_ = std::move(text);
  finish(std::move(scalar));
}

void TreeBuilder::begin(Node::Kind kind, Place place, Anchor anchor) {
  if (wants_key()) stop(place, fmt::format("a key must be text, found {}", to_string(kind)));
  frames_.push_back({make(kind, place), anchor});
}

void TreeBuilder::end() {
  Frame done = std::move(frames_.back());
  frames_.pop_back();
  finish(std::move(done));
}

void TreeBuilder::alias(Place place, Anchor anchor) {
  const auto found = anchors_.find(anchor);
  if (found == anchors_.end()) stop(place, "the alias stands inside its own anchor: write the value out");
  const Cost& cost = found->second.cost;
  check_depth(cost.height, place);
  pay(cost.nodes, cost.bytes, place);
  Frame copy{found->second.node, 0, cost};
  if (wants_key()) return finish(std::move(copy));
  rename(copy.node, next_path());
  finish(std::move(copy));
}

void TreeBuilder::stop(Place place, std::string message) {
  report_.add(Problem{origin_->file, place, frames_.empty() ? "" : frames_.back().node.path_, std::move(message)});
  throw Stopped{};
}

void TreeBuilder::pay(std::size_t nodes, std::size_t bytes, Place place) {
  nodes_ += nodes;
  bytes_ += bytes;
  if (nodes_ > kMaxNodes)
    stop(place, fmt::format("more than {} values, aliases expanded: split the file or drop aliases", kMaxNodes));
  if (bytes_ > kMaxBytes)
    stop(place, fmt::format("more than {} bytes, aliases expanded: split the file or drop aliases", kMaxBytes));
}

void TreeBuilder::check_depth(std::size_t height, Place place) {
  if (frames_.size() + height > kMaxDepth) stop(place, fmt::format("nested deeper than {} levels", kMaxDepth));
}

std::string TreeBuilder::next_path() const {
  if (frames_.empty()) return {};
  const Frame& parent = frames_.back();
  const std::string& base = parent.node.path_;
  if (base.size() > kLongestPath) return base;
  if (parent.node.is_list()) return fmt::format("{}[{}]", base, parent.node.children_.size());
  const std::string key = printable(parent.key.value_or(""), kLongestPath);
  return base.empty() ? key : base + "." + key;
}

Node TreeBuilder::make(Node::Kind kind, Place place) {
  check_depth(1, place);
  pay(1, 0, place);
  Node node;
  node.kind_ = kind;
  node.place_ = place;
  node.origin_ = origin_;
  if (!wants_key()) node.path_ = next_path();
  return node;
}

// Gives an alias's copy the paths of where it stands now. At most kMaxDepth deep.
void TreeBuilder::rename(Node& node, std::string path) {
  const std::string old = std::exchange(node.path_, std::move(path));
  for (Node& child : node.children_) {
    const bool whole = node.path_.size() <= kLongestPath && child.path_.starts_with(old);
    const std::string suffix = whole ? child.path_.substr(old.size()) : "";
    rename(child, node.path_ + suffix);
  }
}

void TreeBuilder::finish(Frame done) {
  if (done.anchor != 0) {
    pay(done.cost.nodes, done.cost.bytes, done.node.place_);
    anchors_[done.anchor] = {done.node, done.cost};
  }
  if (frames_.empty()) {
    root_ = std::move(done.node);
    return;
  }
  Frame& parent = frames_.back();
  parent.cost.nodes += done.cost.nodes;
  parent.cost.bytes += done.cost.bytes;
  parent.cost.height = std::max(parent.cost.height, done.cost.height + 1);
  if (wants_key()) return take_key(parent, done.node);
  if (parent.node.is_map()) {
    done.node.key_ = *std::exchange(parent.key, std::nullopt);
    done.node.key_place_ = parent.key_place;
    if (done.node.is_null()) done.node.place_ = parent.key_place;
    const auto [first, fresh] = parent.keys.try_emplace(done.node.key_, parent.key_place);
    if (!fresh) {
      report_.add(Problem{
          origin_->file, done.node.key_place_, done.node.path_,
          fmt::format("duplicate key, first given at {}:{}: remove one", first->second.line, first->second.column)});
      return;
    }
  }
  parent.node.children_.push_back(std::move(done.node));
}

void TreeBuilder::take_key(Frame& map, const Node& key) {
  if (!key.is_scalar()) stop(key.place_, fmt::format("a key must be text, found {}", to_string(key.kind_)));
  if (key.text_ == "<<" && !key.quoted_) stop(key.place_, "merge keys (<<) are not supported: write the fields out");
  map.key = key.text_;
  map.key_place = key.place_;
}

}  // namespace deltaforge::config
