// What only the database's catalogue knows of a relation: type names, base and element types, the primary key. Asked
// once per Relation message, over a connection of its own beside the stream. Source thread only.
#pragma once

#include "sources/postgres/connection.h"
#include "sources/postgres/relations.h"

namespace deltaforge::sources::postgres {

// The same walsender cannot be asked: it streams.
class CatalogueLookup final : public RelationLookup {
 public:
  explicit CatalogueLookup(Session& session) : session_(session) {}
  RelationFacts look_up(const RelationMessage&) override;

 private:
  Session& session_;
};

// The answer of the catalogue's one statement, as JSON.
RelationFacts parse_facts(std::string_view json);

}  // namespace deltaforge::sources::postgres
