#include "pipeline/stretch.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "base/error.h"
#include "pipeline/state_keys.h"

namespace deltaforge::pipeline {
namespace {

std::string text_of(const Hash128& hash) {
  std::string text(base64_size(hash.size()), '\0');
  print_base64({reinterpret_cast<const char*>(hash.data()), hash.size()}, text.data());
  return text;
}

std::optional<Hash128> hash_of(const nlohmann::json& json) {
  const auto bytes = json.is_string() ? read_base64(json.get<std::string>()) : std::nullopt;
  Hash128 hash;
  if (!bytes || bytes->size() != hash.size()) return std::nullopt;
  std::ranges::copy(as_bytes(*bytes), hash.begin());
  return hash;
}

std::optional<Stretch> stretch_of(const nlohmann::json& json) {
  if (!json.is_array() || json.size() != 3 || !json[2].is_number_unsigned()) return std::nullopt;
  const auto first = hash_of(json[0]), last = hash_of(json[1]);
  if (!first || !last) return std::nullopt;
  return Stretch{*first, *last, json[2].get<std::uint32_t>()};
}

}  // namespace

std::string print(std::span<const Stretch> stretches) {
  std::string text = R"({"v":1,"sent":[)";
  for (const Stretch& each : stretches)
    text += fmt::format(R"({}["{}","{}",{}])", &each == stretches.data() ? "" : ",", text_of(each.first),
                        text_of(each.last), each.commits);
  return text + "]}";
}

std::vector<Stretch> read_stretches(Store& store, const std::string& key) {
  std::vector<Stretch> all;
  const auto stored = store.get(kSent, key);
  if (!stored) return all;
  const auto json = nlohmann::json::parse(*stored, nullptr, false);
  bool sound =
      json.is_object() && json.value("v", nlohmann::json()) == 1 && json.contains("sent") && json["sent"].is_array();
  if (sound) {
    for (const auto& each : json["sent"]) {
      const auto stretch = stretch_of(each);
      sound = sound && stretch;
      if (stretch) all.push_back(*stretch);
    }
  }
  if (!sound)
    throw Error(ErrorKind::storage,
                fmt::format("the record of what was sent last, in the store, {}/{}, is damaged", kSent, key),
                "restore the state directory from a backup, or take the sink out of the pipeline and put it in again");
  return all;
}

}  // namespace deltaforge::pipeline
