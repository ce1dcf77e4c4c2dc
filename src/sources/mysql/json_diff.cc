#include "sources/mysql/json_diff.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sources/mysql/json_binary.h"
#include "sources/mysql/reader.h"

namespace deltaforge::sources::mysql {
namespace {

enum class Operation : std::uint8_t { replace, insert, remove };

// Removal from and insertion into a container move what stands behind, 16 bytes a child. Far above what a statement
// does, and it ends what a forged event could go on with for days.
constexpr std::size_t kMaxMoves = std::size_t{1} << 33;

struct Leg {
  bool is_member = false;
  std::string name;           // of a member
  std::size_t index = 0;      // of an element,
  bool from_the_end = false;  // 0 is the last
};

// Paths as the server prints them: $.name."any \"key\""[7][last-1]
class PathParser {
 public:
  explicit PathParser(std::string_view text) : text_(text) {}

  // Empty when the text is no path.
  std::optional<std::vector<Leg>> parse() {
    std::vector<Leg> legs;
    if (!take("$")) return std::nullopt;
    while (!text_.empty()) {
      Leg leg;
      if (legs.size() == kJsonDepth || !(take(".") ? member(leg) : take("[") && element(leg))) return std::nullopt;
      legs.push_back(std::move(leg));
    }
    return legs;
  }

 private:
  bool take(std::string_view token) {
    if (!text_.starts_with(token)) return false;
    text_.remove_prefix(token.size());
    return true;
  }

  bool member(Leg& leg) {
    leg.is_member = true;
    if (take("\"")) return quoted(leg.name);
    const std::size_t size = std::min(text_.find_first_of(".[*"), text_.size());
    leg.name = text_.substr(0, size);
    text_.remove_prefix(size);
    return size != 0;
  }

  bool element(Leg& leg) {
    leg.from_the_end = take("last");
    const bool has_number = !leg.from_the_end || take("-");
    return (!has_number || number(leg.index)) && take("]");
  }

  // As many digits as there are.
  bool number(std::size_t& number) {
    const char* first = text_.data();
    auto [end, error] = std::from_chars(first, first + text_.size(), number);
    text_.remove_prefix(static_cast<std::size_t>(end - first));
    return error == std::errc();
  }

  // The server escapes as its JSON printer does: no character above U+001F by its number.
  bool quoted(std::string& key) {
    while (!text_.empty()) {
      const char c = text_.front();
      text_.remove_prefix(1);
      if (c == '"') return true;
      if (c != '\\') {
        key += c;
      } else if (!escape(key)) {
        return false;
      }
    }
    return false;
  }

  bool escape(std::string& key) {
    static constexpr std::string_view kLetters = "bfnrt\"\\/", kMeant = "\b\f\n\r\t\"\\/";
    if (text_.empty()) return false;
    const char c = text_.front();
    text_.remove_prefix(1);
    if (c == 'u') {
      if (text_.size() < 4) return false;
      unsigned code = 0x80;
      const bool ok = std::from_chars(text_.data(), text_.data() + 4, code, 16).ptr == text_.data() + 4;
      text_.remove_prefix(4);
      key += static_cast<char>(code);
      return ok && code < 0x80;
    }
    const std::size_t which = kLetters.find(c);
    if (which != kLetters.npos) key += kMeant[which];
    return which != kLetters.npos;
  }

  std::string_view text_;
};

// A document while it changes. Only the containers on the paths of diffs are taken apart, all else stays as stored.
class Draft {
 public:
  Draft(Bytes before, JsonReader& in) : in_(in) { root_.value = json_root(before); }

  // False: failure() of the reader tells.
  bool apply(Operation operation, std::span<Leg> path, JsonValue value, Bytes diff);
  bool print(std::string& out) {
    JsonPrinter printer(in_, out);
    return print(printer, root_, 0) && printer.finish();
  }

 private:
  // A value that changed, or in which something did.
  struct Node;
  struct Child {
    Node* node;           // null: as stored,
    std::uint32_t index;  // there
  };
  struct Node {
    std::string key;  // inside an object
    JsonValue value;
    bool is_open = false;  // then the value is `stored` with these children
    JsonContainer stored;
    std::vector<Child> children;
  };

  static constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);

  bool open(Node&);
  bool seek(const Node& container, const Leg&, std::size_t& at);
  bool seek_member(const Node& object, std::string_view name, std::size_t& at, bool& found);
  bool key(const Node& object, const Child&, std::string_view&);
  bool descend(Node& container, std::size_t at, Node*& node);
  bool insert(Node& container, Leg&, JsonValue value, Bytes diff);
  bool move(std::size_t count, Bytes diff);
  bool print(JsonPrinter&, const Node&, unsigned depth);
  Node* make(std::string key, JsonValue value) {
    nodes_.push_back({std::move(key), value, false, {}, {}});
    return &nodes_.back();
  }

  JsonReader& in_;
  Node root_;
  std::deque<Node> nodes_;  // all others; a deque: they stay where they are
  std::size_t moves_ = 0;
};

bool Draft::apply(Operation operation, std::span<Leg> path, JsonValue value, Bytes diff) {
  if (path.empty()) {
    if (operation != Operation::replace) return in_.fail("a JSON diff inserts or removes the root", diff);
    root_ = {{}, value, false, {}, {}};
    return true;
  }
  Node* node = &root_;
  for (std::size_t i = 0;; ++i) {
    if (!node->value.is_container()) return in_.fail("the path of a JSON diff enters a scalar", diff);
    if (!open(*node)) return false;
    const bool is_last = i + 1 == path.size();
    if (is_last && operation == Operation::insert) return insert(*node, path[i], value, diff);

    std::size_t at = kNowhere;
    if (!seek(*node, path[i], at)) return false;
    if (at == kNowhere) return in_.fail("the path of a JSON diff leads nowhere", diff);
    if (is_last && operation == Operation::remove) {
      if (!move(node->children.size() - at, diff)) return false;
      node->children.erase(node->children.begin() + static_cast<std::ptrdiff_t>(at));
      return true;
    }
    if (!descend(*node, at, node)) return false;
    if (is_last) {
      *node = {std::move(node->key), value, false, {}, {}};
      return true;
    }
  }
}

bool Draft::open(Node& node) {
  if (node.is_open) return true;
  if (!in_.open(node.value, node.stored)) return false;
  node.children.resize(node.stored.count);
  for (std::uint32_t i = 0; i < node.stored.count; ++i) node.children[i] = {nullptr, i};
  node.is_open = true;
  return true;
}

// Where the leg leads in an open container, or kNowhere.
bool Draft::seek(const Node& container, const Leg& leg, std::size_t& at) {
  at = kNowhere;
  if (leg.is_member != container.stored.is_object) return true;
  if (!leg.is_member) {
    const std::size_t count = container.children.size();
    if (leg.index < count) at = leg.from_the_end ? count - 1 - leg.index : leg.index;
    return true;
  }
  bool found = false;
  std::size_t place = 0;
  if (!seek_member(container, leg.name, place, found)) return false;
  if (found) at = place;
  return true;
}

// Keys are stored by length, then by bytes. `at`: where the key is or would be.
bool Draft::seek_member(const Node& object, std::string_view name, std::size_t& at, bool& found) {
  const auto& children = object.children;
  std::string_view there;
  at = 0;
  for (std::size_t end = children.size(); at < end;) {
    const std::size_t middle = at + (end - at) / 2;
    if (!key(object, children[middle], there)) return false;
    const bool is_before = there.size() != name.size() ? there.size() < name.size() : there < name;
    (is_before ? at : end) = is_before ? middle + 1 : middle;
  }
  found = at < children.size();
  if (found && !key(object, children[at], there)) return false;
  found = found && there == name;
  return true;
}

bool Draft::key(const Node& object, const Child& child, std::string_view& key) {
  if (child.node == nullptr) return in_.key(object.stored, child.index, key);
  key = child.node->key;
  return true;
}

bool Draft::descend(Node& container, std::size_t at, Node*& node) {
  Child& child = container.children[at];
  if (child.node == nullptr) {
    JsonValue value;
    std::string_view name;
    if (container.stored.is_object && !in_.key(container.stored, child.index, name)) return false;
    if (!in_.value(container.stored, child.index, value)) return false;
    child.node = make(std::string(name), value);
  }
  node = child.node;
  return true;
}

bool Draft::insert(Node& container, Leg& leg, JsonValue value, Bytes diff) {
  if (leg.is_member != container.stored.is_object)
    return in_.fail("a JSON diff inserts into the wrong container", diff);
  const std::size_t count = container.children.size();
  std::size_t at = leg.from_the_end ? count - std::min(count, leg.index + 1) : std::min(count, leg.index);
  bool found = false;
  if (leg.is_member && !seek_member(container, leg.name, at, found)) return false;
  if (found) return in_.fail("a JSON diff inserts a key that is there", diff);
  if (!move(count - at, diff)) return false;
  const Child child{make(std::move(leg.name), value), 0};
  container.children.insert(container.children.begin() + static_cast<std::ptrdiff_t>(at), child);
  return true;
}

bool Draft::move(std::size_t count, Bytes diff) {
  moves_ += count;
  return moves_ <= kMaxMoves || in_.fail("JSON diffs that change too much", diff);
}

bool Draft::print(JsonPrinter& printer, const Node& node, unsigned depth) {
  if (!node.is_open) return printer.value(node.value, depth);
  const bool is_object = node.stored.is_object;
  if (!printer.begin(is_object, depth, node.stored.bytes)) return false;
  bool is_first = true;
  for (const Child& child : node.children) {
    if (!std::exchange(is_first, false)) printer.separate();
    std::string_view name;
    if (is_object && !(key(node, child, name) && printer.key(name))) return false;
    JsonValue stored;
    const bool ok = child.node != nullptr
                        ? print(printer, *child.node, depth + 1)
                        : in_.value(node.stored, child.index, stored) && printer.value(stored, depth + 1);
    if (!ok) return false;
  }
  printer.end(is_object);
  return true;
}

bool apply_all(Draft& draft, JsonReader& failures, Bytes diffs) {
  Reader in(diffs);
  while (in.left() != 0) {
    const Bytes diff = diffs.subspan(in.offset());
    const std::uint8_t operation = in.u8();
    if (operation > static_cast<std::uint8_t>(Operation::remove)) return failures.fail("an unknown JSON diff", diff);
    auto path = PathParser(in.packed_text()).parse();
    const bool removes = operation == static_cast<std::uint8_t>(Operation::remove);
    const Bytes value = removes ? Bytes{} : in.bytes(static_cast<std::size_t>(in.packed()));
    if (!in.ok()) return failures.fail("a JSON diff ends early", diff);
    if (!path) return failures.fail("a JSON diff with a malformed path", diff);
    if (!draft.apply(static_cast<Operation>(operation), *path, json_root(value), diff)) return false;
  }
  return true;
}

}  // namespace

Result<std::string_view> apply_json_diff(Bytes before, Bytes diffs, Pages& to) {
  if (diffs.empty()) return print_json(before, to);
  JsonReader in(before.size() + diffs.size());
  Draft draft(before, in);
  std::string text;
  if (apply_all(draft, in, diffs) && draft.print(text)) return to.copy(text);
  if (in.failed_in(diffs) || !in.failed_in(before)) return in.failure(diffs);
  DecodeFailure failure = in.failure(before);
  failure.what += ", in the before-image";
  return failure;
}

}  // namespace deltaforge::sources::mysql
