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
  bool follows_dashes() const {
    return follows("--") && (at_ + 2 == sql_.size() || static_cast<unsigned char>(sql_[at_ + 2]) <= ' ');
  }

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
      } else if (follows("#") || follows_dashes()) {
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

char to_upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }

bool equals(std::string_view word, std::string_view upper) { return std::ranges::equal(word, upper, {}, to_upper); }

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

// The server compares them without case.
std::string savepoint_name(const Token& token) {
  std::string name = bare(token);
  std::ranges::transform(name, name.begin(), to_upper);
  return name;
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

// A name that `token` begins; `token` becomes what follows.
Statement::Name table_name(Lexer& lexer, Token& token) {
  std::string first = bare(token);
  token = lexer.next();
  if (token.kind != Token::Kind::sign || token.text != ".") return {"", std::move(first)};
  std::string second = bare(lexer.next());
  token = lexer.next();
  return {std::move(first), std::move(second)};
}

bool says(const Token& token, std::string_view upper) {
  return token.kind == Token::Kind::word && equals(token.text, upper);
}

Statement truncate(Lexer& lexer) {
  Token token = lexer.next();
  if (says(token, "TABLE")) token = lexer.next();
  return {Statement::Kind::truncate, "", {table_name(lexer, token)}};
}

// Of a table that is filled by a query the log in row format has a definition without that query, and the rows.
Statement create(Lexer& lexer) {
  Token token = lexer.next();
  if (says(token, "OR")) lexer.next(), token = lexer.next();
  if (!says(token, "TABLE")) return {};
  token = lexer.next();
  if (says(token, "IF")) lexer.next(), lexer.next(), token = lexer.next();
  Statement::Name name = table_name(lexer, token);
  for (; token.kind != Token::Kind::end; token = lexer.next())
    if (says(token, "SELECT") || says(token, "TABLE")) return {Statement::Kind::row_change, "", {std::move(name)}};
  return {};
}

Statement rollback(Lexer& lexer) {
  Token token = lexer.next();
  if (equals(token.text, "WORK")) token = lexer.next();
  if (!equals(token.text, "TO")) return {Statement::Kind::rollback, "", {}};
  token = lexer.next();
  if (equals(token.text, "SAVEPOINT")) token = lexer.next();
  return {Statement::Kind::rollback_to, savepoint_name(token), {}};
}

Statement xa(Lexer& lexer) {
  const Token verb = lexer.next();
  Statement statement;
  if (equals(verb.text, "START") || equals(verb.text, "BEGIN")) statement.kind = Statement::Kind::xa_start;
  if (equals(verb.text, "COMMIT")) statement.kind = Statement::Kind::xa_commit;
  if (equals(verb.text, "ROLLBACK")) statement.kind = Statement::Kind::xa_rollback;
  statement.name = lexer.rest();
  return statement;
}

}  // namespace

Result<QueryEvent> read_query(Bytes body, bool loads) {
  Reader in(body);
  QueryEvent query;
  in.skip(8);
  const std::size_t database = in.u8();
  in.skip(2);
  const std::size_t variables = in.u16();
  if (loads) in.skip(13);
  Reader status(in.bytes(variables));
  query.database = in.text(database);
  in.u8();
  if (!in.ok()) return DecodeFailure{"the statement ends early", in.offset()};
  query.sql = as_text(in.rest());
  while (!query.sql.empty() && query.sql.back() == '\0') query.sql.remove_suffix(1);
  while (status.ok() && status.left() > 0) {
    constexpr int kFlags = 0, kSqlMode = 1, kIncrement = 3, kCharset = 4, kCatalogue = 6;
    switch (status.u8()) {
      case kFlags: status.skip(4); break;
      case kSqlMode: query.sql_mode = status.u64(); break;
      case kCatalogue: status.skip(status.u8()); break;
      case kIncrement: status.skip(4); break;
      case kCharset: query.collation = status.u16(); return query;
      default: return query;  // what comes behind them, we do not need
    }
  }
  return query;
}

Statement classify(std::string_view sql, std::uint64_t sql_mode) {
  if (sql == "BEGIN") return {Statement::Kind::begin, "", {}};
  if (sql == "COMMIT") return {Statement::Kind::commit, "", {}};
  Lexer lexer(sql, sql_mode);
  Token first = lexer.next();
  auto is = [&first](std::string_view word) { return says(first, word); };
  constexpr std::array<std::string_view, 6> kRowChanges{"INSERT", "REPLACE", "UPDATE", "DELETE", "LOAD", "WITH"};
  auto changes_rows = [&] { return std::ranges::any_of(kRowChanges, is); };
  // MariaDB: SET STATEMENT ... FOR INSERT, ANALYZE FORMAT=JSON INSERT
  if (is("SET")) {
    if (first = lexer.next(); !is("STATEMENT")) return {};
    while (first.kind != Token::Kind::end && !is("FOR")) first = lexer.next();
    first = lexer.next();
  }
  if (is("ANALYZE"))
    while (first.kind != Token::Kind::end && !is("TABLE") && !changes_rows()) first = lexer.next();
  if (is("BEGIN")) return {Statement::Kind::begin, "", {}};
  if (is("START")) return {Statement::Kind::begin, "", {}};
  if (is("COMMIT")) return {Statement::Kind::commit, "", {}};
  if (is("ROLLBACK")) return rollback(lexer);
  if (is("SAVEPOINT")) return {Statement::Kind::savepoint, savepoint_name(lexer.next()), {}};
  if (is("XA")) return xa(lexer);
  if (is("TRUNCATE")) return truncate(lexer);
  if (is("CREATE")) return create(lexer);
  if (is("SELECT") || is("DO") || is("CALL")) return {Statement::Kind::unseen_change, "", {}};
  if (changes_rows()) return {Statement::Kind::row_change, "", names(lexer)};
  return {};
}

}  // namespace deltaforge::sources::mysql
