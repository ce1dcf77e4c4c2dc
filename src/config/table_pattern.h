// Which tables are meant: `shop.orders`, `shop.*_outbox`, `%.orders`, `orders`, `"We.ird".t`. One matcher everywhere.
// `*` and `%` are any run of characters, `_` is itself, `\` takes the next character literally; the first free dot
// separates the qualifier (database or schema) from the table; a part in double quotes is literal, as in SQL.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace deltaforge::config {

class TablePattern {
 public:
  // Nothing on a malformed pattern; `why` then says what is wrong.
  static std::optional<TablePattern> parse(std::string_view text, std::string& why);
  // The same for names that have no qualifier, such as columns: a dot is a dot. Matched with an empty qualifier.
  static std::optional<TablePattern> parse_name(std::string_view text, std::string& why);
  // For defaults and tests: a malformed pattern aborts.
  explicit TablePattern(std::string_view text);

  // `bare_qualifier` is what a pattern without qualifier stands for: nothing = any, or a name such as "public". A bare
  // `*` means all tables of all qualifiers. Linear in the length of the names.
  bool matches(std::string_view qualifier, std::string_view table,
               std::optional<std::string_view> bare_qualifier = std::nullopt) const;

  bool has_qualifier() const { return qualifier_.has_value(); }
  const std::string& text() const { return text_; }

 private:
  // Literal runs between wildcards: "a*b" is {"a", "b"}, "*" is {"", ""}, "a" is {"a"}.
  using Runs = std::vector<std::string>;

  TablePattern() = default;
  static bool parse_part(std::string_view text, std::size_t& at, bool stop_at_dot, Runs& runs, std::string& why);
  static bool runs_match(const Runs& runs, std::string_view name);

  std::string text_;
  std::optional<Runs> qualifier_;
  Runs table_;
};

}  // namespace deltaforge::config
