// What the targets of the PostgreSQL decoder share: a decoder with everything behind it, and a catalogue that answers
// from the relation message alone.
#pragma once

#include "contract_intake.h"
#include "schema/registry.h"
#include "sources/postgres/decoder.h"
#include "sources/postgres/relations.h"

namespace deltaforge::fuzz {

// Types of users are, by their OID, domains over int4, arrays of text, or unknown.
class InventedCatalogue final : public sources::postgres::RelationLookup {
 public:
  sources::postgres::RelationFacts look_up(const sources::postgres::RelationMessage& message) override {
    sources::postgres::RelationFacts facts;
    constexpr std::uint32_t kFirstOfUsers = 16384, kInt4 = 23, kText = 25;
    for (const auto& column : message.columns) {
      if (facts.key.empty() || column.modifier == 8) facts.key.emplace_back(column.name);
      if (column.type < kFirstOfUsers || column.type % 3 == 0) continue;
      const bool domain = column.type % 3 == 1;
      facts.types.push_back({column.type, domain ? kInt4 : 0, domain ? 0 : kText, ','});
    }
    return facts;
  }
};

struct PostgresDecoding {
  explicit PostgresDecoding(std::uint8_t flags)
      : intake({.utf8 = (flags & 1) != 0, .json = false}),
        relations(
            {"shop", ""},
            [flags](std::string_view, std::string_view table) { return (flags & 2) == 0 || !table.ends_with('f'); },
            registry),
        messages({"out*"}, "shop", registry),
        decoder({"shop", "1", 1, (flags & 1) != 0}, relations, intake, &messages) {
    relations.begin(catalogue, "app");
    messages.begin("app");
    intake.room();
  }

  schema::Registry& registry = registry_for_input();
  InventedCatalogue catalogue;
  ContractIntake intake;
  sources::postgres::RelationCache relations;
  sources::postgres::Messages messages;
  sources::postgres::Decoder decoder;
};

}  // namespace deltaforge::fuzz
