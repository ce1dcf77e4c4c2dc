#include "sources/mysql/catalogue.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "obs/log.h"

namespace deltaforge::sources::mysql {
namespace {

using As = ColumnHint::As;

std::string quoted(const std::string& name) {
  std::string text = "`";
  for (char c : name) text += c == '`' ? "``" : std::string(1, c);
  return text + '`';
}

// A column that the catalogue does not list has gone, or is hidden from us: then it throws.
void check_gone(Session& session, const TableMap& map, const TableColumn& column, const std::string& user) {
  const std::string of = fmt::format("column {} of {}.{}", column.name, map.database, map.table);
  const std::string database = quoted(map.database), table = database + "." + quoted(map.table);
  try {
    session.query(
        "asking for the type of " + of, fmt::format("SELECT {} FROM {} LIMIT 0", quoted(column.name), table),
        fmt::format("GRANT SELECT ON {} TO '{}'; when the table has been dropped, ON {}.*", table, user, database));
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::config) return;  // no such database, table or column
    throw;
  }
  throw Error(ErrorKind::unavailable, of + " came while its type was asked for");
}

[[noreturn]] void stop_at(const TableMap& map, const TableColumn& column) {
  throw Error(
      ErrorKind::undecodable,
      fmt::format("{}.{} was dropped or altered before its rows were read: the log does not say how many digits "
                  "the old temporal column {} had",
                  map.database, map.table, column.name),
      "make the table as it was and resume, or leave it out of `tables`");
}

}  // namespace

std::optional<ColumnHint> hint_of(std::string_view type, const TableColumn& column) {
  const std::string_view name = type.substr(0, type.find_first_of(" ("));
  auto temporal = [&](std::string_view expected) -> std::optional<ColumnHint> {
    if (name != expected) return std::nullopt;
    const std::string_view rest = type.substr(name.size());  // "(3) /* mariadb-5.3 */"
    const bool has_digits = rest.starts_with('(') && rest.size() > 1;
    return ColumnHint{As::column_type, static_cast<std::uint8_t>(has_digits ? rest[1] - '0' : 0)};
  };
  auto bytes = [&](As as, std::uint32_t length) -> std::optional<ColumnHint> {
    if (column.type != ColumnType::string || column.length != length) return std::nullopt;
    return ColumnHint{as, 0};
  };
  if (column.type == ColumnType::old_time) return temporal("time");
  if (column.type == ColumnType::old_datetime) return temporal("datetime");
  if (column.type == ColumnType::old_timestamp) return temporal("timestamp");
  if (name == "uuid") return bytes(As::uuid, 16);
  if (name == "inet4") return bytes(As::inet4, 4);
  if (name == "inet6") return bytes(As::inet6, 16);
  if (type == fmt::format("binary({})", column.length)) return bytes(As::column_type, column.length);
  return std::nullopt;
}

std::optional<ColumnHint> CatalogueLookup::find(const TableMap& map, const TableColumn& column, Session& session,
                                                const Rows& listed) {
  const std::string key = "type/" + nlohmann::json::array({map.database, map.table, column.name}).dump();
  const auto kept = state_.get(key);
  auto now = std::ranges::find_if(listed, [&](const auto& row) { return row[0] == column.name; });
  if (now == listed.end()) {
    check_gone(session, map, column, options_.dsn.user);
  } else if (auto hint = hint_of(now->at(1).value_or(""), column)) {
    if (kept != now->at(1)) state_.put(key, *now->at(1));
    return hint;
  }
  return kept ? hint_of(*kept, column) : std::nullopt;
}

std::vector<ColumnHint> CatalogueLookup::look_up(const TableMap& map) {
  Session session(options_);
  const Rows listed = session.query("asking for the types of " + map.database + "." + map.table,
                                    fmt::format("SELECT COLUMN_NAME, COLUMN_TYPE FROM information_schema.COLUMNS"
                                                " WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
                                                session.literal(map.database), session.literal(map.table)));
  std::vector<ColumnHint> hints(map.columns.size());
  std::string unknown;
  for (std::size_t i = 0; i < hints.size(); ++i) {
    const TableColumn& column = map.columns[i];
    if (!needs_hint(column)) continue;
    auto hint = find(map, column, session, listed);
    if (!hint && column.type != ColumnType::string) stop_at(map, column);
    if (!hint) unknown += (unknown.empty() ? "" : ", ") + column.name;
    hints[i] = hint.value_or(ColumnHint{});
  }
  if (!unknown.empty())
    obs::warn("a table was dropped or altered before its types were asked for: UUID and INET cannot be told from bytes",
              {{"table", map.database + "." + map.table}, {"columns", unknown}});
  return hints;
}

}  // namespace deltaforge::sources::mysql
