#include "config/parse.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <sstream>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "base/fd.h"
#include "config/parse_json.h"
#include "config/tree_builder.h"
#include "config/wording.h"

namespace deltaforge::config {
namespace {

constexpr std::size_t kMaxOpenBrackets = 16 * kMaxDepth;
constexpr std::size_t kMaxIndicators = 3 * kMaxNodes;

Place place_of(const YAML::Mark& mark) { return mark.is_null() ? Place{} : Place{mark.line + 1, mark.column + 1}; }

// The YAML parser's events.
class YamlEvents : public YAML::EventHandler {
 public:
  explicit YamlEvents(TreeBuilder& tree) : tree_(tree) {}

  void OnDocumentStart(const YAML::Mark&) override { tree_.begin_document(); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { tree_.null(place_of(mark), anchor); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_tag(mark, tag);
    tree_.scalar(place_of(mark), value, tag == "!", anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    refuse_tag(mark, tag);
    tree_.begin(Node::Kind::list, place_of(mark), anchor);
  }
  void OnSequenceEnd() override { tree_.end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    refuse_tag(mark, tag);
    tree_.begin(Node::Kind::map, place_of(mark), anchor);
  }
  void OnMapEnd() override { tree_.end(); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override { tree_.alias(place_of(mark), anchor); }

 private:
  void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    tree_.stop(place_of(mark),
               "YAML tags (!...) are not supported: remove it, or quote the text if it starts with '!'");
  }

  TreeBuilder& tree_;
};

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

// `{"`, `["` or `{}`.
bool begins_like_json(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos || (text[first] != '{' && text[first] != '[')) return false;
  const std::size_t next = text.find_first_not_of(kBlanks, first + 1);
  return next != std::string_view::npos && (text[next] == '"' || text[next] == '}');
}

struct ReadJson {
  Node root;
  Report problems;
  std::optional<SyntaxError> error;  // it is no JSON
};

ReadJson read_json(std::string_view text, const std::shared_ptr<const Origin>& origin) {
  ReadJson found;
  TreeBuilder builder(origin, found.problems);
  try {
    found.error = parse_json(text, builder);
    found.root = builder.take_root();
  } catch (const Stopped&) {
  }
  return found;
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

// False: it ends early.
bool read_yaml(std::string_view text, const std::shared_ptr<const Origin>& origin, std::vector<Document>& documents,
               Report& report) {
  const auto refuse = [&](Place place, std::string message) {
    report.add(Problem{origin->file, place, "", std::move(message)});
  };
  try {
    TreeBuilder builder(origin, report);
    YamlEvents events(builder);
    // The parser takes a quote that is still open at a final line break for closed; a comment shows it the truth.
    std::istringstream in(std::string(text) + (text.ends_with('\n') ? "#" : "\n#"));
    YAML::Parser parser(in);
    while (parser.HandleNextDocument(events)) {
      if (Node root = builder.take_root(); !root.is_null()) documents.push_back({std::move(root)});
    }
    if (documents.empty()) refuse({}, "no document in it");
    return true;
  } catch (const Stopped&) {
  } catch (const YAML::Exception& error) {
    const Place place = place_of(error.mark);
    refuse(place, is_indented_with_tab(text, place.line) ? "syntax error: a tab indents this line: use blanks"
                                                         : syntax_message(error));
  }
  return false;
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
  const auto origin =
      std::make_shared<const Origin>(Origin{file_name, std::move(options.environment), options.expansion});
  if (!begins_like_json(text)) {
    read_yaml(text, origin, documents, report);
    return documents;
  }
  ReadJson found = read_json(text, origin);
  if (!found.error) {
    for (const Problem& each : found.problems.problems()) report.add(each);
    if (!found.root.is_null()) documents.push_back({std::move(found.root)});
    return documents;
  }
  // YAML in brackets? If it is neither, it was meant to be JSON.
  Report of_yaml;
  if (!read_yaml(text, origin, documents, of_yaml)) {
    refuse(found.error->place, std::move(found.error->message));
    return documents;
  }
  for (const Problem& each : of_yaml.problems()) report.add(each);
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
