// The syntax tree of a configuration file: what the user wrote and where. Immutable once parsed (config/parse.h); a
// copy is independent and any thread may read it. Scalars are kept as written: `${NAME}` is expanded when a field is
// read (config/expand.h), because the field's type decides what may stand there.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace deltaforge::config {

// Looks a name up; nothing when it is not set. Tests give their own.
using Environment = std::function<std::optional<std::string>(std::string_view name)>;

// Where `${NAME}` may stand: anywhere in a file of the operator, in secrets only in a request body, whose sender must
// not be able to read our environment back.
enum class Expansion : std::uint8_t { everywhere, secrets_only };

// What all nodes of one parsed text share.
struct Origin {
  std::string file;
  Environment environment;
  Expansion expansion = Expansion::everywhere;
};

// Counted from 1.
struct Place {
  int line = 1;
  int column = 1;
  bool operator==(const Place&) const = default;
};

class Node {
 public:
  enum class Kind : std::uint8_t { null, scalar, list, map };

  Node() = default;  // null, of no file

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::null; }
  bool is_scalar() const { return kind_ == Kind::scalar; }
  bool is_list() const { return kind_ == Kind::list; }
  bool is_map() const { return kind_ == Kind::map; }

  // The scalar as written, not expanded. May be a secret: never goes into a message of a Secret field.
  const std::string& text() const { return text_; }
  bool quoted() const { return quoted_; }

  // Entries of a list or a map, in the order of the file. In a map each has its key.
  const std::vector<Node>& children() const { return children_; }
  const std::string& key() const { return key_; }
  // The value under `key`, null when this is no map or lacks it.
  const Node* find(std::string_view key) const {
    if (!is_map()) return nullptr;
    for (const Node& child : children_) {
      if (child.key_ == key) return &child;
    }
    return nullptr;
  }

  const std::string& file() const;
  int line() const { return place_.line; }
  int column() const { return place_.column; }
  Place place() const { return place_; }
  Place key_place() const { return key_place_; }
  // "spec.sinks[0].config.stream"; very long ones are cut.
  const std::string& path() const { return path_; }

  // Null for a node of no file.
  const Origin* origin() const { return origin_.get(); }

 private:
  friend class TreeBuilder;
  friend class TreeEditor;

  Kind kind_ = Kind::null;
  bool quoted_ = false;
  Place place_;
  Place key_place_;
  std::string text_;
  std::string key_;
  std::string path_;
  std::vector<Node> children_;
  std::shared_ptr<const Origin> origin_;
};

// "a list", "a map", "nothing", "text"
std::string_view to_string(Node::Kind);

}  // namespace deltaforge::config
