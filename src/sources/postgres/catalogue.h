// What only the database's catalogue knows of a relation: type names, base and element types, the order of its key.
// Asked once per Relation message, over a connection of its own beside the stream. Source thread only.
#pragma once

#include "core/source.h"
#include "sources/postgres/connection.h"
#include "sources/postgres/relations.h"

namespace deltaforge::sources::postgres {

// The same walsender cannot be asked: it streams.
class CatalogueLookup final : public RelationLookup {
 public:
  // `state` keeps what the catalogue may forget before its rows are read: types of users, roots of partitions.
  CatalogueLookup(Session& session, SourceState& state) : session_(session), state_(state) {}
  RelationFacts look_up(const RelationMessage&) override;

 private:
  void remember(std::uint32_t relation, RelationFacts&);

  Session& session_;
  SourceState& state_;
};

// The answer of the catalogue's one statement, as JSON.
RelationFacts parse_facts(std::string_view json);

}  // namespace deltaforge::sources::postgres
