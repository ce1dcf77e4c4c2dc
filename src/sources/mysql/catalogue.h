// Asks MariaDB's catalogue for the types that its log does not name. It knows what stands there now, but a row that is
// read late, or again, must come out as it did: each answer is kept in the source's durable state. Source thread only.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "core/source.h"
#include "sources/mysql/column.h"
#include "sources/mysql/connection.h"
#include "sources/mysql/table_map.h"

namespace deltaforge::sources::mysql {

class CatalogueLookup {
 public:
  CatalogueLookup(Session::Options session, SourceState& state) : options_(std::move(session)), state_(state) {}

  // One hint a column. Throws Error{auth} when one that needs it is hidden from us. Of one that has gone and was never
  // seen nothing can be known: bytes stay bytes, with a warning; of old temporals not even the size:
  // Error{undecodable}.
  std::vector<ColumnHint> look_up(const TableMap&);

 private:
  std::optional<ColumnHint> find(const TableMap&, const TableColumn&, Session&, const Rows& listed);

  const Session::Options options_;
  SourceState& state_;
};

// `type` as the catalogue writes it: "uuid", "datetime(3)". Empty: the column had another one when it was logged.
std::optional<ColumnHint> hint_of(std::string_view type, const TableColumn&);

}  // namespace deltaforge::sources::mysql
