#include "config/parse.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>
#include <sstream>
#include <system_error>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "base/fd.h"
#include "config/wording.h"

namespace deltaforge::config {
namespace {

constexpr std::size_t kLongestPath = 200;
constexpr std::size_t kMaxOpenBrackets = 16 * kMaxDepth;
constexpr std::size_t kMaxIndicators = 3 * kMaxNodes;

Place place_of(const YAML::Mark& mark) { return mark.is_null() ? Place{} : Place{mark.line + 1, mark.column + 1}; }

// The text cannot be read any further; the report already says why.
struct Stopped {};

}  // namespace

// Builds the tree from the parser's events. Nothing recurses deeper than kMaxDepth; every node and byte is paid for
// before it is made.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(std::shared_ptr<const Origin> origin, Report& report) : origin_(std::move(origin)), report_(report) {}

  // The finished document; null when it was empty.
  Node take_root() { return std::exchange(root_, Node{}); }

  void OnDocumentStart(const YAML::Mark&) override {
    frames_.clear();
    anchors_.clear();
    root_ = Node{};
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    finish({make(Node::Kind::null, mark), anchor});
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_tag(mark, tag);
    pay(0, value.size(), place_of(mark));
    Frame scalar{make(Node::Kind::scalar, mark), anchor};
    scalar.node.quoted_ = tag == "!";
    scalar.node.text_ = value;
    scalar.cost.bytes = value.size();
    finish(std::move(scalar));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    start(Node::Kind::list, mark, tag, anchor);
  }
  void OnSequenceEnd() override { end(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    start(Node::Kind::map, mark, tag, anchor);
  }
  void OnMapEnd() override { end(); }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) stop(place_of(mark), "the alias stands inside its own anchor: write the value out");
    const Cost& cost = found->second.cost;
    check_depth(cost.height, place_of(mark));
    pay(cost.nodes, cost.bytes, place_of(mark));
    Frame copy{found->second.node, 0, cost};
    if (wants_key()) return finish(std::move(copy));
    rename(copy.node, next_path());
    finish(std::move(copy));
  }

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
    YAML::anchor_t anchor = 0;
    Cost cost = {};
    std::optional<std::string> key = {};  // a map's, until its value comes
    Place key_place = {};
    std::unordered_map<std::string, Place> keys = {};
  };

  [[noreturn]] void stop(Place place, std::string message) {
    report_.add(Problem{origin_->file, place, frames_.empty() ? "" : frames_.back().node.path_, std::move(message)});
    throw Stopped{};
  }

  void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    stop(place_of(mark), "YAML tags (!...) are not supported: remove it, or quote the text if it starts with '!'");
  }

  void pay(std::size_t nodes, std::size_t bytes, Place place) {
    nodes_ += nodes;
    bytes_ += bytes;
    if (nodes_ > kMaxNodes) {
      stop(place, fmt::format("more than {} values, aliases expanded: split the file or drop aliases", kMaxNodes));
    }
    if (bytes_ > kMaxBytes) {
      stop(place, fmt::format("more than {} bytes, aliases expanded: split the file or drop aliases", kMaxBytes));
    }
  }

  void check_depth(std::size_t height, Place place) {
    if (frames_.size() + height > kMaxDepth) stop(place, fmt::format("nested deeper than {} levels", kMaxDepth));
  }

  bool wants_key() const { return !frames_.empty() && frames_.back().node.is_map() && !frames_.back().key; }

  std::string next_path() const {
    if (frames_.empty()) return {};
    const Frame& parent = frames_.back();
    const std::string& base = parent.node.path_;
    if (base.size() > kLongestPath) return base;
    if (parent.node.is_list()) return fmt::format("{}[{}]", base, parent.node.children_.size());
    const std::string key = printable(parent.key.value_or(""), kLongestPath);
    return base.empty() ? key : base + "." + key;
  }

  Node make(Node::Kind kind, const YAML::Mark& mark) {
    check_depth(1, place_of(mark));
    pay(1, 0, place_of(mark));
    Node node;
    node.kind_ = kind;
    node.place_ = place_of(mark);
    node.origin_ = origin_;
    if (!wants_key()) node.path_ = next_path();
    return node;
  }

  // Gives an alias's copy the paths of where it stands now. At most kMaxDepth deep.
  void rename(Node& node, std::string path) {
    const std::string old = std::exchange(node.path_, std::move(path));
    for (Node& child : node.children_) {
      const bool whole = node.path_.size() <= kLongestPath && child.path_.starts_with(old);
      const std::string suffix = whole ? child.path_.substr(old.size()) : "";
      rename(child, node.path_ + suffix);
    }
  }

  void start(Node::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    refuse_tag(mark, tag);
    if (wants_key()) stop(place_of(mark), fmt::format("a key must be text, found {}", to_string(kind)));
    Frame frame{make(kind, mark), anchor};
    frames_.push_back(std::move(frame));
  }

  void end() {
    Frame done = std::move(frames_.back());
    frames_.pop_back();
    finish(std::move(done));
  }

  void finish(Frame done) {
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

  void take_key(Frame& map, const Node& key) {
    if (!key.is_scalar()) stop(key.place_, fmt::format("a key must be text, found {}", to_string(key.kind_)));
    if (key.text_ == "<<" && !key.quoted_) stop(key.place_, "merge keys (<<) are not supported: write the fields out");
    map.key = key.text_;
    map.key_place = key.place_;
  }

  std::shared_ptr<const Origin> origin_;
  Report& report_;
  std::vector<Frame> frames_;
  std::unordered_map<YAML::anchor_t, Anchored> anchors_;
  Node root_;
  std::size_t nodes_ = 0;
  std::size_t bytes_ = 0;
};

namespace {

struct Refusal {
  Place place;
  std::string message;
};

// Looks over the raw text before the parser, whose scanner keeps all tokens of a line or of a bracketed list until its
// end. Both bounds are far above what the tree's own limits let through, for they cannot tell text from structure.
std::optional<Refusal> look_over(std::string_view text) {
  static constexpr std::string_view kIndicators = "[]{},&*!?'\"";
  Place place;
  std::size_t depth = 0, indicators = 0;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const char c = text.front();
    if (length == 0 || c == '\0') return Refusal{place, "not UTF-8 text: save the file as UTF-8"};
    if (c == '[' || c == '{') ++depth;
    if ((c == ']' || c == '}') && depth > 0) --depth;
    if (depth > kMaxOpenBrackets) return Refusal{place, fmt::format("nested deeper than {} levels", kMaxDepth)};
    if (kIndicators.find(c) != std::string_view::npos && ++indicators > kMaxIndicators) {
      return Refusal{place,
                     fmt::format("more than {} of the characters {}: split the file", kMaxIndicators, kIndicators)};
    }
    place = c == '\n' ? Place{place.line + 1, 1} : Place{place.line, place.column + 1};
    text.remove_prefix(length);
  }
  return std::nullopt;
}

// JSON is YAML but for one thing: what lies beyond 16 bits is written as two escapes. `\uD83D\uDE00` ->
// `\U0001F600`.
std::string join_surrogates(std::string_view text) {
  static const auto hex = [](std::string_view digits, unsigned& value) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    return error == std::errc() && end == digits.data() + digits.size();
  };
  std::string out;
  while (!text.empty()) {
    unsigned high = 0, low = 0;
    const bool pair = text.size() >= 12 && text.starts_with("\\u") && text.substr(6).starts_with("\\u") &&
                      hex(text.substr(2, 4), high) && hex(text.substr(8, 4), low) && high >> 10 == 0xD800 >> 10 &&
                      low >> 10 == 0xDC00 >> 10;
    const std::size_t taken = pair ? 12 : std::min<std::size_t>(text.size(), text.starts_with('\\') ? 2 : 1);
    if (pair)
      out += fmt::format("\\U{:08X}", 0x10000 + ((high & 0x3FF) << 10 | (low & 0x3FF)));
    else
      out += text.substr(0, taken);
    text.remove_prefix(taken);
  }
  return out;
}

bool is_json(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && (text[first] == '{' || text[first] == '[');
}

// Blanks must indent, and the parser has no words for what it makes of a tab.
bool is_indented_with_tab(std::string_view text, std::size_t line) {
  for (; line > 1 && !text.empty(); --line) text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  const std::size_t first = text.find_first_not_of(' ');
  return first != std::string_view::npos && text[first] == '\t';
}

// Names of anchors are not repeated: an unquoted password that starts with `*` is taken for one.
std::string syntax_message(const YAML::Exception& error) {
  if (error.msg.starts_with(YAML::ErrorMsg::UNKNOWN_ANCHOR)) {
    return "syntax error: an alias (*name) without its anchor; quote the text if it starts with '*'";
  }
  if (error.msg == YAML::ErrorMsg::EOF_IN_SCALAR) return "syntax error: a quote is not closed before the end";
  return "syntax error: " + printable(error.msg, 120);
}

}  // namespace

std::vector<Document> parse(std::string_view text, std::string file_name, Report& report, ParseOptions options) {
  std::vector<Document> documents;
  const auto refuse = [&](Place place, std::string message) {
    report.add(Problem{file_name, place, "", std::move(message)});
  };
  if (text.size() > kMaxBytes) {
    refuse({}, fmt::format("longer than the {} bytes that are read: split the file", kMaxBytes));
    return documents;
  }
  if (auto refusal = look_over(text)) {
    refuse(refusal->place, std::move(refusal->message));
    return documents;
  }
  TreeBuilder builder(
      std::make_shared<const Origin>(Origin{file_name, std::move(options.environment), options.expansion}), report);
  try {
    // The parser takes a quote that is still open at a final line break for closed; a comment shows it the truth.
    std::istringstream in((is_json(text) ? join_surrogates(text) : std::string(text)) +
                          (text.ends_with('\n') ? "#" : "\n#"));
    YAML::Parser parser(in);
    while (parser.HandleNextDocument(builder)) {
      if (Node root = builder.take_root(); !root.is_null()) documents.push_back({std::move(root)});
    }
    if (documents.empty()) refuse({}, "no document in it");
  } catch (const Stopped&) {
  } catch (const YAML::Exception& error) {
    const Place place = place_of(error.mark);
    refuse(place, is_indented_with_tab(text, place.line) ? "syntax error: a tab indents this line: use blanks"
                                                         : syntax_message(error));
  }
  return documents;
}

std::vector<Document> parse_file(const std::string& path, Report& report, ParseOptions options) {
  const auto failed = [&] {
    report.add(Problem{path, {}, "", "cannot read the file: " + std::generic_category().message(errno)});
    return std::vector<Document>();
  };
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return failed();
  std::string text(kMaxBytes + 1, '\0');  // one more than allowed shows that it is too long
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(file.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed();
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return parse(text, path, report, std::move(options));
}

}  // namespace deltaforge::config
