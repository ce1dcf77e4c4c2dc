#include "processors/flatten/members.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/hash.h"
#include "encode/json_writer.h"

namespace deltaforge::processors::flatten {
namespace {
constexpr std::size_t kKeptSlots = 4096, kKeptNames = 256 * 1024;
}

void Members::clear() {
  // What one large document took is given back.
  if (slots_.size() > kKeptSlots) std::vector<std::uint32_t>(64).swap(slots_);
  if (names_.capacity() > kKeptNames) std::string().swap(names_);
  if (members_.capacity() > kKeptSlots) std::vector<Member>().swap(members_);
  members_.clear();
  names_.clear();
  hashed_ = names_size_ = 0;
  too_large_ = false;
  std::ranges::fill(slots_, 0U);
}

std::uint32_t& Members::slot(std::uint64_t hash, std::string_view name) {
  for (std::size_t at = hash;; ++at) {
    std::uint32_t& found = slots_[at & (slots_.size() - 1)];
    if (found == 0) return found;
    const Member& member = members_[found - 1];
    if (member.hash == hash && name_of(member) == name) return found;
  }
}

void Members::grow() {
  slots_.assign(slots_.size() * 2, 0);
  for (std::size_t i = 0; i < members_.size(); ++i)
    if (members_[i].text == nullptr) slot(members_[i].hash, name_of(members_[i])) = static_cast<std::uint32_t>(i + 1);
}

bool Members::fits(std::size_t name_size) {
  if (names_size_ + name_size > kMostNames) {
    too_large_ = true;
    return false;
  }
  names_size_ += name_size;
  return true;
}

void Members::add(std::string_view text, const Value& value) {
  if (fits(text.size() - kBegin.size() - kEnd.size())) members_.push_back({text.data(), 0, text.size(), 0, value});
}

bool Members::put(std::string_view name, const Value& value, bool replace) {
  const std::uint64_t hash = xxh3_64(as_bytes(name));
  if (hashed_ * 2 >= slots_.size()) grow();
  std::uint32_t& found = slot(hash, name);
  if (found != 0) {
    if (replace) members_[found - 1].value = value;
    return false;
  }
  if (!fits(name.size())) return true;
  members_.push_back({nullptr, names_.size(), kBegin.size() + name.size() + kEnd.size(), hash, value});
  names_.append(kBegin).append(name).append(kEnd);
  found = static_cast<std::uint32_t>(members_.size());
  ++hashed_;
  return true;
}

bool Members::write(Slab& out) {
  names_.append(encode::JsonWriter::kPadding, ' ');
  encode::JsonWriter json(out);
  json.raw('{');
  for (const Member& member : members_) {
    json.raw_padded(text_of(member));
    if (!json.value(member.value)) return false;
    json.raw(',');
  }
  json.close('}');
  json.commit();
  return true;
}

}  // namespace deltaforge::processors::flatten
