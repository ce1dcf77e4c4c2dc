#include "sources/postgres/messages.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "base/base64.h"
#include "core/outbox.h"

namespace deltaforge::sources::postgres {

std::string prefix_problem(std::string_view pattern) {
  std::string why;
  return config::TablePattern::parse_name(pattern, why) ? "" : why;
}

Messages::Messages(const std::vector<std::string>& prefixes, std::string source_id, schema::Registry& registry)
    : source_id_(std::move(source_id)), registry_(registry) {
  std::string why;
  for (const std::string& prefix : prefixes)
    if (auto pattern = config::TablePattern::parse_name(prefix, why)) patterns_.push_back(std::move(*pattern));
}

void Messages::begin(std::string database) {
  database_ = std::move(database);
  tables_.clear();
}

Messages::Table* Messages::find(std::string_view prefix) {
  const std::string name(prefix);
  if (const auto known = tables_.find(name); known != tables_.end()) return &known->second;
  if (std::ranges::none_of(patterns_, [&](const auto& pattern) { return pattern.matches("", name); })) return nullptr;
  TableSchema schema;
  schema.connector = "postgresql";
  schema.source_id = source_id_;
  schema.database = database_;
  schema.schema = kOutboxSchema;
  schema.table = name;
  schema.full_name = "message:" + name;
  return &tables_.try_emplace(name, Table{registry_.intern(std::move(schema)), {}}).first->second;
}

std::string_view Messages::row(std::string_view content, Pages& pages) {
  if (const auto json = json_.compact(content)) return pages.copy(*json);
  constexpr std::string_view kBegin = R"({"_base64":")", kEnd = R"("})";
  const std::size_t size = kBegin.size() + base64_size(content.size()) + kEnd.size();
  char* const text = reinterpret_cast<char*>(pages.allocate(size, 1));
  std::memcpy(text, kBegin.data(), kBegin.size());
  std::memcpy(print_base64(content, text + kBegin.size()), kEnd.data(), kEnd.size());
  return {text, size};
}

}  // namespace deltaforge::sources::postgres
