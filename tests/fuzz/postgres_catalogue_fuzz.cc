// What the catalogue says of a relation, as JSON; also read back from our own state.
#include "fuzz.h"
#include "sources/postgres/catalogue.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace deltaforge;
  const std::string text = fuzz::Input(data, size).text();
  fuzz::allowed_to_refuse([&] {
    const auto facts = sources::postgres::parse_facts(text);
    sources::postgres::TypeTable types;
    types.learn(facts.types);
    for (const auto& type : facts.types)
      fuzz::require(types.get(type.oid)->decode != nullptr, "every type that was learned can be decoded");
  });
  return 0;
}
