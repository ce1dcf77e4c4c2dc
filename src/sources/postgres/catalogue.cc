#include "sources/postgres/catalogue.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace deltaforge::sources::postgres {
namespace {

// {0}: type OIDs, {1}: their modifiers, {2}: the relation. Domains lead to their base type, arrays to their element;
// int2vector and oidvector look like arrays but print otherwise. hstore is known by its extension: anybody may call a
// type so.
constexpr const char* kFacts = R"(
WITH RECURSIVE used AS (
  SELECT t.oid, t.typtype, t.typbasetype, t.typelem, t.typoutput, t.typname FROM pg_catalog.pg_type t
  WHERE t.oid = ANY ('{{{0}}}'::pg_catalog.oid[])
  UNION
  SELECT t.oid, t.typtype, t.typbasetype, t.typelem, t.typoutput, t.typname FROM pg_catalog.pg_type t JOIN used u
    ON t.oid = CASE WHEN u.typtype = 'd' THEN u.typbasetype
                    WHEN u.typoutput = 'pg_catalog.array_out'::pg_catalog.regproc THEN u.typelem END)
SELECT pg_catalog.json_build_object(
  'types', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
      'oid', u.oid, 'base', CASE WHEN u.typtype = 'd' THEN u.typbasetype END,
      'element', CASE WHEN u.typtype <> 'd' AND u.typoutput = 'pg_catalog.array_out'::pg_catalog.regproc
                      THEN u.typelem END,
      'delimiter', e.typdelim, 'is_hstore', EXISTS (
        SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension x ON x.oid = d.refobjid AND d.deptype = 'e'
          AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
        WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid = u.oid AND x.extname = 'hstore'
          AND u.typname = 'hstore')))
    FROM used u LEFT JOIN pg_catalog.pg_type e ON e.oid = u.typelem),
  'names', (SELECT pg_catalog.json_agg(pg_catalog.format_type(c.type, c.modifier) ORDER BY c.place)
    FROM ROWS FROM (pg_catalog.unnest('{{{0}}}'::pg_catalog.oid[]), pg_catalog.unnest('{{{1}}}'::pg_catalog.int4[]))
      WITH ORDINALITY c (type, modifier, place)),
  'key', (SELECT pg_catalog.json_agg(a.attname ORDER BY k.place) FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_index i ON i.indrelid = c.oid
      AND CASE c.relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary END,
    pg_catalog.unnest(i.indkey) WITH ORDINALITY k (attnum, place), pg_catalog.pg_attribute a
    WHERE c.oid = {2} AND a.attrelid = c.oid AND a.attnum = k.attnum AND k.place <= i.indnkeyatts),
  'ancestors', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(n.nspname, c.relname))
    FROM pg_catalog.pg_partition_ancestors({2}) p JOIN pg_catalog.pg_class c ON c.oid = p.relid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid <> {2})))";

}  // namespace

RelationFacts CatalogueLookup::look_up(const RelationMessage& message) {
  std::string types, modifiers;
  for (const auto& column : message.columns) {
    types += (types.empty() ? "" : ",") + std::to_string(column.type);
    modifiers += (modifiers.empty() ? "" : ",") + std::to_string(column.modifier);
  }
  RelationFacts facts = parse_facts(session_.value("asking the catalogue about a relation",
                                                   fmt::format(fmt::runtime(kFacts), types, modifiers, message.id)));
  remember(message.id, facts);
  return facts;
}

// A row that is read again, or read late, must come out as it did, though its type was dropped or its partition
// detached meanwhile.
void CatalogueLookup::remember(std::uint32_t relation, RelationFacts& facts) {
  constexpr std::uint32_t kFirstOfUsers = 16384;
  const std::string key = "relation/" + std::to_string(relation);
  const std::optional<std::string> kept = state_.get(key);
  if (kept) {
    RelationFacts before = parse_facts(*kept);
    for (const TypeRow& type : before.types)
      if (std::ranges::find(facts.types, type.oid, &TypeRow::oid) == facts.types.end()) facts.types.push_back(type);
    for (const auto& ancestor : before.ancestors)
      if (std::ranges::find(facts.ancestors, ancestor) == facts.ancestors.end()) facts.ancestors.push_back(ancestor);
  }
  auto json = nlohmann::json{{"types", nlohmann::json::array()}, {"ancestors", nlohmann::json::array()}};
  for (const TypeRow& type : facts.types)
    if (type.oid >= kFirstOfUsers)
      json["types"].push_back({{"oid", type.oid},
                               {"base", type.base},
                               {"element", type.element},
                               {"delimiter", std::string(1, type.delimiter)},
                               {"is_hstore", type.is_hstore}});
  for (const auto& [schema, table] : facts.ancestors) json["ancestors"].push_back({schema, table});
  const bool nothing = json["types"].empty() && json["ancestors"].empty();
  if (std::string now = json.dump(); !nothing && kept != now) state_.put(key, now);
}

namespace {

// Throws nlohmann's and the library's own exceptions.
RelationFacts facts_of(const nlohmann::json& json) {
  RelationFacts facts;
  auto each = [&json](const char* name, auto take) {
    if (auto found = json.find(name); found != json.end() && found->is_array())
      for (const auto& item : *found) take(item);
  };
  using Natural = nlohmann::json::number_unsigned_t;  // get_ref throws at anything else
  // Relation and type OIDs may have gone since the row was written: what is null stays unknown.
  auto oid = [](const nlohmann::json& item, const char* name) {
    auto found = item.find(name);
    if (found == item.end() || found->is_null()) return std::uint32_t{0};
    const std::uint64_t number =
        found->is_string() ? std::stoul(found->get<std::string>()) : found->get_ref<const Natural&>();
    if (number > UINT32_MAX) throw std::out_of_range("an OID has 32 bits");
    return static_cast<std::uint32_t>(number);
  };
  each("types", [&](const auto& item) {
    TypeRow row{oid(item, "oid"), oid(item, "base"), oid(item, "element"), ','};
    if (auto found = item.find("delimiter");
        found != item.end() && found->is_string() && found->template get_ref<const std::string&>().size() == 1)
      row.delimiter = found->template get<std::string>().front();
    row.is_hstore = item.value("is_hstore", false);
    facts.types.push_back(row);
  });
  each("names", [&](const auto& item) {
    std::string name = item.is_string() ? item.template get<std::string>() : "";
    facts.column_types.push_back(name == "???" || name == "-" ? "" : name);
  });
  each("key", [&](const auto& item) { facts.key.push_back(item.template get<std::string>()); });
  each("ancestors", [&](const auto& item) {
    facts.ancestors.emplace_back(item.at(0).template get<std::string>(), item.at(1).template get<std::string>());
  });
  return facts;
}

}  // namespace

RelationFacts parse_facts(std::string_view text) {
  try {
    const auto json = nlohmann::json::parse(text);
    if (!json.is_object()) throw std::invalid_argument("it is no JSON object");
    return facts_of(json);
  } catch (const std::exception& error) {
    throw Error(ErrorKind::undecodable,
                std::string("what the catalogue says of a relation cannot be read: ") + error.what(),
                "report this with the server's version; if it stood in our own state, restore that");
  }
}

}  // namespace deltaforge::sources::postgres
