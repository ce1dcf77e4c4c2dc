#include "config/edit.h"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "config/redact.h"
#include "config/secret.h"

namespace deltaforge::config {
namespace {

std::string json_text(const std::string& text) { return nlohmann::json(text).dump(); }

// Text that means the same to YAML with and without quotes around what surrounds it: words and numbers.
bool is_bare(const std::string& text) {
  auto alnum = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (text.empty()) return false;
  const std::size_t first = text[0] == '+' || text[0] == '-' || text[0] == '.' ? 1 : 0;
  return first < text.size() && alnum(text[first]) &&
         std::ranges::all_of(text, [&](char c) { return alnum(c) || c == '_' || c == '.' || c == '+' || c == '-'; });
}

void write(const Node& node, std::string& out) {
  switch (node.kind()) {
    case Node::Kind::null: out += "null"; return;
    case Node::Kind::scalar:
      out += !node.quoted() && is_bare(node.text()) ? node.text() : json_text(node.text());
      return;
    case Node::Kind::list:
    case Node::Kind::map: break;
  }
  out += node.is_map() ? '{' : '[';
  bool first = true;
  for (const Node& child : node.children()) {
    if (!std::exchange(first, false)) out += ", ";
    if (node.is_map()) out.append(json_text(child.key())).append(": ");
    write(child, out);
  }
  out += node.is_map() ? '}' : ']';
}

// Of a source or sink it stands in its `config`, of a processor beside its type.
const std::string* id_of(const Node& component) {
  const Node* config = component.find("config");
  const Node* id = (config == nullptr ? component : *config).find("id");
  return id != nullptr && id->is_scalar() ? &id->text() : nullptr;
}

// The entry of `list` that is meant by `entry`, which stands at `index` of another.
const Node* counterpart(const Node& entry, std::size_t index, const Node& list) {
  if (const std::string* id = id_of(entry)) {
    for (const Node& each : list.children())
      if (const std::string* other = id_of(each); other != nullptr && *other == *id) return &each;
    return nullptr;
  }
  return index < list.children().size() ? &list.children()[index] : nullptr;
}

}  // namespace

class TreeEditor {
 public:
  explicit TreeEditor(Report& report) : report_(report) {}

  Node merge(const Node& base, const Node& patch) {
    if (!base.is_map() || !patch.is_map()) return unmasked(patch, &base);
    Node result = base;
    for (const Node& change : patch.children()) {
      auto& fields = result.children_;
      auto field = std::ranges::find(fields, change.key(), &Node::key_);
      if (change.is_null()) {
        if (field != fields.end()) fields.erase(field);
      } else if (field != fields.end()) {
        *field = merge(*field, change);
      } else {
        fields.push_back(unmasked(change, nullptr));
      }
    }
    return result;
  }

 private:
  // `node` with what it masks taken from `base`, which may be null.
  Node unmasked(const Node& node, const Node* base) {
    if (node.is_scalar()) return unmasked_scalar(node, base);
    Node result = node;
    for (std::size_t i = 0; i < result.children_.size(); ++i) {
      Node& child = result.children_[i];
      const Node* of = base == nullptr   ? nullptr
                       : node.is_map()   ? base->find(child.key())
                       : base->is_list() ? counterpart(child, i, *base)
                                         : nullptr;
      child = unmasked(child, of);
    }
    return result;
  }

  Node unmasked_scalar(const Node& node, const Node* base) {
    if (node.text().find(Secret::kMask) == std::string::npos) return node;
    if (base != nullptr && base->is_scalar() &&
        (node.text() == Secret::kMask || node.text() == mask_secrets(base->text()))) {
      Node result = *base;
      result.key_ = node.key_;
      return result;
    }
    report_.add(node, "*** stands for a value that is there already, and there is none: write the value itself");
    return node;
  }

  Report& report_;
};

Node merge(const Node& base, const Node& patch, Report& report) { return TreeEditor(report).merge(base, patch); }

std::string write(const Node& node) {
  std::string out;
  write(node, out);
  return out;
}

}  // namespace deltaforge::config
