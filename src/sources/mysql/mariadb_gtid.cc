#include "sources/mysql/mariadb_gtid.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace deltaforge::sources::mysql {
namespace {

bool before(const MariadbGtid& id, std::uint32_t domain) { return id.domain < domain; }

void skip_space(std::string_view text, std::size_t& at) {
  while (at < text.size() && (text[at] == ' ' || (text[at] >= '\t' && text[at] <= '\r'))) ++at;
}

template <class Number>
bool read_number(std::string_view text, std::size_t& at, Number& value) {
  auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), value);
  if (error != std::errc()) return false;
  at = static_cast<std::size_t>(end - text.data());
  return true;
}

bool read_dash(std::string_view text, std::size_t& at) {
  if (at == text.size() || text[at] != '-') return false;
  ++at;
  return true;
}

bool read_id(std::string_view text, std::size_t& at, MariadbGtid& id) {
  return read_number(text, at, id.domain) && read_dash(text, at) && read_number(text, at, id.server) &&
         read_dash(text, at) && read_number(text, at, id.sequence);
}

}  // namespace

std::string to_string(const MariadbGtid& id) { return fmt::format("{}-{}-{}", id.domain, id.server, id.sequence); }

const MariadbGtid* MariadbGtidPos::find(std::uint32_t domain) const {
  auto at = std::lower_bound(ids_.begin(), ids_.end(), domain, before);
  return at != ids_.end() && at->domain == domain ? &*at : nullptr;
}

bool MariadbGtidPos::covers(const MariadbGtid& id) const {
  const MariadbGtid* reached = find(id.domain);
  return reached != nullptr && reached->sequence >= id.sequence;
}

bool MariadbGtidPos::add(const MariadbGtid& id) {
  auto at = std::lower_bound(ids_.begin(), ids_.end(), id.domain, before);
  if (at == ids_.end() || at->domain != id.domain) {
    ids_.insert(at, id);
    return true;
  }
  if (at->sequence >= id.sequence) return false;
  *at = id;
  return true;
}

void MariadbGtidPos::meet(const MariadbGtidPos& other) {
  std::erase_if(ids_, [&](const MariadbGtid& id) { return other.find(id.domain) == nullptr; });
  for (MariadbGtid& id : ids_)
    if (const MariadbGtid* theirs = other.find(id.domain); theirs->sequence <= id.sequence) id = *theirs;
}

Result<MariadbGtidPos> MariadbGtidPos::parse(std::string_view text) {
  MariadbGtidPos pos;
  std::size_t at = 0;
  skip_space(text, at);
  if (at == text.size()) return pos;
  for (bool more = true; more;) {
    skip_space(text, at);
    MariadbGtid id;
    if (!read_id(text, at, id)) return DecodeFailure{"an id of the form domain-server-sequence was expected", at};
    pos.ids_.push_back(id);
    skip_space(text, at);
    more = at < text.size() && text[at] == ',';
    if (more) ++at;
  }
  if (at != text.size()) return DecodeFailure{"a comma was expected", at};
  std::sort(pos.ids_.begin(), pos.ids_.end(),
            [](const MariadbGtid& a, const MariadbGtid& b) { return a.domain < b.domain; });
  auto same = [](const MariadbGtid& a, const MariadbGtid& b) { return a.domain == b.domain; };
  if (auto twice = std::adjacent_find(pos.ids_.begin(), pos.ids_.end(), same); twice != pos.ids_.end())
    return DecodeFailure{fmt::format("domain {} is named twice", twice->domain), at};
  return pos;
}

std::string to_string(const MariadbGtidPos& pos) {
  std::string text;
  for (const MariadbGtid& id : pos.ids()) text.append(text.empty() ? "" : ",").append(to_string(id));
  return text;
}

}  // namespace deltaforge::sources::mysql
