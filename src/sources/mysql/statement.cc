#include "sources/mysql/statement.h"

#include <algorithm>
#include <array>

#include "sources/mysql/reader.h"

namespace deltaforge::sources::mysql {
namespace {

constexpr std::uint64_t kAnsiQuotes = 4;
constexpr std::uint64_t kNoBackslashEscapes = 1'048'576;

struct Token {
  enum class Kind { end, word, quoted_name, text, number, sign };
  Kind kind = Kind::end;
  std::string_view text;  // as written, quotes included
};

// Words, names, texts and signs; comments are left out, but what stands in an executable comment (/*! and /*M!) counts.
class Lexer {
 public:
  Lexer(std::string_view sql, std::uint64_t mode) : sql_(sql), mode_(mode) {}

  Token next() {
    skip_blanks();
    if (at_ >= sql_.size()) return {};
    const char c = sql_[at_];
    if (c == '`' || (c == '"' && (mode_ & kAnsiQuotes) != 0)) return {Token::Kind::quoted_name, quoted(c, false)};
    if (c == '\'' || c == '"') return {Token::Kind::text, quoted(c, (mode_ & kNoBackslashEscapes) == 0)};
    if (is_word(c)) {
      const std::size_t start = at_;
      while (at_ < sql_.size() && is_word(sql_[at_])) ++at_;
      std::string_view text = sql_.substr(start, at_ - start);
      bool number = std::ranges::all_of(text, [](char d) { return d >= '0' && d <= '9'; });
      return {number ? Token::Kind::number : Token::Kind::word, text};
    }
    return {Token::Kind::sign, sql_.substr(at_++, 1)};
  }

  // From here to the end.
  std::string_view rest() {
    skip_blanks();
    return sql_.substr(std::min(at_, sql_.size()));
  }

 private:
  static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
           static_cast<unsigned char>(c) >= 0x80;
  }

  bool follows(std::string_view text) const { return sql_.substr(at_).starts_with(text); }

  void skip_to(std::string_view end) {
    std::size_t found = sql_.find(end, at_);
    at_ = found == std::string_view::npos ? sql_.size() : found + end.size();
  }

  void skip_blanks() {
    for (;;) {
      while (at_ < sql_.size() && static_cast<unsigned char>(sql_[at_]) <= ' ') ++at_;
      if (follows("/*!") || follows("/*M!")) {
        at_ += follows("/*!") ? 3 : 4;
        while (at_ < sql_.size() && sql_[at_] >= '0' && sql_[at_] <= '9') ++at_;
      } else if (follows("*/")) {
        at_ += 2;
      } else if (follows("/*")) {
        skip_to("*/");
      } else if (follows("#") || follows("-- ") || follows("--\t") || follows("--\n")) {
        skip_to("\n");
      } else {
        return;
      }
    }
  }

  std::string_view quoted(char quote, bool backslash) {
    const std::size_t start = at_++;
    while (at_ < sql_.size()) {
      if (backslash && sql_[at_] == '\\') {
        at_ += 2;
        continue;
      }
      if (sql_[at_++] != quote) continue;
      if (at_ < sql_.size() && sql_[at_] == quote) {
        ++at_;
        continue;
      }
      break;
    }
    at_ = std::min(at_, sql_.size());
    return sql_.substr(start, at_ - start);
  }

  std::string_view sql_;
  std::uint64_t mode_;
  std::size_t at_ = 0;
};

bool equals(std::string_view word, std::string_view upper) {
  return word.size() == upper.size() && std::equal(word.begin(), word.end(), upper.begin(), [](char a, char b) {
           return (a >= 'a' && a <= 'z' ? static_cast<char>(a - 32) : a) == b;
         });
}

// The name without its quotes, doubled ones made single.
std::string bare(const Token& token) {
  if (token.kind != Token::Kind::quoted_name) return std::string(token.text);
  if (token.text.size() < 2) return {};
  const char quote = token.text.front();
  std::string result;
  std::string_view inside = token.text.substr(1, token.text.size() - 2);
  for (std::size_t i = 0; i < inside.size(); ++i) {
    result += inside[i];
    if (inside[i] == quote && i + 1 < inside.size() && inside[i + 1] == quote) ++i;
  }
  return result;
}

bool is_name(const Token& token) {
  return token.kind == Token::Kind::word || token.kind == Token::Kind::quoted_name || token.kind == Token::Kind::number;
}

// Every name of the text, also each second half of a qualified one with its first.
std::vector<Statement::Name> names(Lexer& lexer) {
  std::vector<Statement::Name> found;
  Token token = lexer.next();
  while (token.kind != Token::Kind::end) {
    if (!is_name(token)) {
      token = lexer.next();
      continue;
    }
    std::string first = bare(token);
    token = lexer.next();
    if (token.kind == Token::Kind::sign && token.text == ".") {
      token = lexer.next();
      if (is_name(token)) found.emplace_back(first, bare(token));
    } else {
      found.emplace_back("", std::move(first));
    }
  }
  return found;
}

Statement truncate(Lexer& lexer) {
  Token token = lexer.next();
  if (equals(token.text, "TABLE")) token = lexer.next();
  std::string first = bare(token);
  token = lexer.next();
  if (token.kind == Token::Kind::sign && token.text == ".")
    return {Statement::Kind::truncate, "", {{std::move(first), bare(lexer.next())}}};
  return {Statement::Kind::truncate, "", {{"", std::move(first)}}};
}

Statement rollback(Lexer& lexer) {
  Token token = lexer.next();
  if (equals(token.text, "WORK")) token = lexer.next();
  if (!equals(token.text, "TO")) return {Statement::Kind::rollback, "", {}};
  token = lexer.next();
  if (equals(token.text, "SAVEPOINT")) token = lexer.next();
  return {Statement::Kind::rollback_to, bare(token), {}};
}

Statement xa(Lexer& lexer) {
  const Token verb = lexer.next();
  Statement statement;
  if (equals(verb.text, "START") || equals(verb.text, "BEGIN")) statement.kind = Statement::Kind::xa_start;
  if (equals(verb.text, "END")) statement.kind = Statement::Kind::xa_end;
  if (equals(verb.text, "COMMIT")) statement.kind = Statement::Kind::xa_commit;
  if (equals(verb.text, "ROLLBACK")) statement.kind = Statement::Kind::xa_rollback;
  statement.name = lexer.rest();
  return statement;
}

}  // namespace

Result<QueryEvent> read_query(Bytes body) {
  Reader in(body);
  QueryEvent query;
  in.skip(8);
  const std::size_t database = in.u8();
  in.skip(2);
  const std::size_t variables = in.u16();
  Reader status(in.bytes(variables));
  query.database = in.text(database);
  in.u8();
  if (!in.ok()) return DecodeFailure{"the statement ends early", in.offset()};
  query.sql = as_text(in.rest());
  while (!query.sql.empty() && query.sql.back() == '\0') query.sql.remove_suffix(1);
  // The variables that we want come first, in this order: flags, SQL mode, catalog, increments, character set.
  while (status.ok() && status.left() > 0) {
    switch (status.u8()) {
      case 0: status.skip(4); continue;
      case 1: query.sql_mode = status.u64(); continue;
      case 3: status.skip(4); continue;
      case 4:
        query.client_charset = status.u16();
        status.skip(4);
        continue;
      case 6: status.skip(status.u8()); continue;
      default: break;
    }
    break;
  }
  return query;
}

Statement classify(std::string_view sql, std::uint64_t sql_mode) {
  if (sql == "BEGIN") return {Statement::Kind::begin, "", {}};
  if (sql == "COMMIT") return {Statement::Kind::commit, "", {}};
  Lexer lexer(sql, sql_mode);
  const Token first = lexer.next();
  auto is = [&first](std::string_view word) { return first.kind == Token::Kind::word && equals(first.text, word); };
  if (is("BEGIN")) return {Statement::Kind::begin, "", {}};
  if (is("START")) return {Statement::Kind::begin, "", {}};
  if (is("COMMIT")) return {Statement::Kind::commit, "", {}};
  if (is("ROLLBACK")) return rollback(lexer);
  if (is("SAVEPOINT")) return {Statement::Kind::savepoint, bare(lexer.next()), {}};
  if (is("XA")) return xa(lexer);
  if (is("TRUNCATE")) return truncate(lexer);
  constexpr std::array<std::string_view, 8> kRowChanges{"INSERT", "REPLACE", "UPDATE", "DELETE",
                                                        "LOAD",   "WITH",    "CALL",   "DO"};
  if (std::ranges::any_of(kRowChanges, is)) return {Statement::Kind::row_change, "", names(lexer)};
  return {};
}

}  // namespace deltaforge::sources::mysql
