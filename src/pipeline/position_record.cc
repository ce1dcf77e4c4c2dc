#include "pipeline/position_record.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace deltaforge::pipeline {

std::string RecordCodec::print(const Position& position) const {
  return fmt::format(R"({{"v":1,"uid":"{}","epoch":{},{}}})", uid_, epoch_, algebra_.print(position));
}

Position RecordCodec::parse(std::string_view record, std::string_view where) const {
  auto refuse = [&](std::string why) -> Position {
    throw Error(ErrorKind::sink_state, fmt::format("the position record in {} cannot be used: {}", where, why),
                "give the sink an empty place of its own, or restore the state directory that belongs to this record");
  };
  auto json = nlohmann::json::parse(record, nullptr, false);
  if (!json.is_object() || !json.contains("v") || !json["v"].is_number_unsigned())
    return refuse("it is not a position record");
  if (json["v"] != 1) return refuse(fmt::format("its version {} is newer than this program", json["v"].dump()));
  const auto uid = json.find("uid"), epoch = json.find("epoch");
  if (uid == json.end() || !uid->is_string() || epoch == json.end() || !epoch->is_number_unsigned())
    return refuse("it does not say whose it is");
  if (*uid != uid_)
    return refuse(fmt::format("it was written by pipeline uid '{}', this one is '{}'", uid->get<std::string>(), uid_));
  if (*epoch != epoch_) return refuse(fmt::format("it is of epoch {}, this pipeline is at {}", epoch->dump(), epoch_));
  try {
    return algebra_.parse(record);
  } catch (const Error& error) {
    return refuse(error.message());
  }
}

}  // namespace deltaforge::pipeline
