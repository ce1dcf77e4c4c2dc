#include "sources/mysql/gtid_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>

#include "base/ascii.h"
#include "sources/mysql/reader.h"

namespace deltaforge::sources::mysql {
namespace {

// The first interval that ends at `number` or behind it: the only one that it can be in, or lengthen.
template <class Intervals>
auto reaching(Intervals& intervals, std::uint64_t number) {
  return std::lower_bound(intervals.begin(), intervals.end(), number,
                          [](const GtidInterval& interval, std::uint64_t at) { return interval.end < at; });
}

bool add_number(GtidIntervals& intervals, std::uint64_t number) {
  if (intervals.empty() || intervals.back().end < number) {
    intervals.push_back({number, number + 1});
    return true;
  }
  auto at = intervals.back().end == number ? std::prev(intervals.end()) : reaching(intervals, number);
  if (at->begin <= number && number < at->end) return false;
  if (at->end == number) {
    ++at->end;
    if (auto after = std::next(at); after != intervals.end() && after->begin == at->end) {
      at->end = after->end;
      intervals.erase(after);
    }
  } else if (at->begin == number + 1) {
    --at->begin;
  } else {
    intervals.insert(at, {number, number + 1});
  }
  return true;
}

bool has_number(const GtidIntervals& intervals, std::uint64_t number) {
  if (intervals.back().begin <= number) return number < intervals.back().end;
  auto at = reaching(intervals, number + 1);
  return at != intervals.end() && at->begin <= number;
}

// `to` gains an interval that begins no earlier than its last one.
void append(GtidIntervals& to, const GtidInterval& next) {
  if (to.empty() || to.back().end < next.begin)
    to.push_back(next);
  else
    to.back().end = std::max(to.back().end, next.end);
}

GtidIntervals sorted(GtidIntervals intervals) {
  std::sort(intervals.begin(), intervals.end(),
            [](const GtidInterval& a, const GtidInterval& b) { return a.begin < b.begin; });
  GtidIntervals result;
  for (const GtidInterval& next : intervals) append(result, next);
  return result;
}

GtidIntervals united(const GtidIntervals& a, const GtidIntervals& b) {
  GtidIntervals result;
  auto i = a.begin(), j = b.begin();
  while (i != a.end() || j != b.end()) {
    const bool from_a = j == b.end() || (i != a.end() && i->begin <= j->begin);
    append(result, from_a ? *i++ : *j++);
  }
  return result;
}

GtidIntervals common(const GtidIntervals& a, const GtidIntervals& b) {
  GtidIntervals result;
  auto i = a.begin(), j = b.begin();
  while (i != a.end() && j != b.end()) {
    const GtidInterval both{std::max(i->begin, j->begin), std::min(i->end, j->end)};
    if (both.begin < both.end) result.push_back(both);
    i->end < j->end ? ++i : ++j;
  }
  return result;
}

GtidIntervals without(const GtidIntervals& a, const GtidIntervals& b) {
  GtidIntervals result;
  auto hole = b.begin();
  for (GtidInterval rest : a) {
    while (hole != b.end() && hole->end <= rest.begin) ++hole;
    for (auto in = hole; in != b.end() && in->begin < rest.end; ++in) {
      if (rest.begin < in->begin) result.push_back({rest.begin, in->begin});
      rest.begin = in->end;
      hole = in;
    }
    if (rest.begin < rest.end) result.push_back(rest);
  }
  return result;
}

bool includes(const GtidIntervals& all, const GtidIntervals& some) {
  auto in = all.begin();
  return std::all_of(some.begin(), some.end(), [&](const GtidInterval& one) {
    while (in != all.end() && in->end < one.end) ++in;
    return in != all.end() && in->begin <= one.begin;
  });
}

bool before(const GtidSet::Part& part, const Sid& sid) { return part.sid < sid; }

bool is_tag(std::string_view text) {
  auto letter = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  return !text.empty() && text.size() <= Sid::kMaxTag && letter(text[0]) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

std::string uuid_text(const Sid& sid) {
  std::string text;
  for (std::size_t i = 0; i < sid.uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    fmt::format_to(std::back_inserter(text), "{:02x}", sid.uuid[i]);
  }
  return text;
}

}  // namespace

std::optional<Sid> Sid::of(Bytes uuid, std::string_view tag) {
  Sid sid;
  if (uuid.size() != sid.uuid.size() || (!tag.empty() && !is_tag(tag))) return std::nullopt;
  std::memcpy(sid.uuid.data(), uuid.data(), uuid.size());
  std::copy(tag.begin(), tag.end(), sid.tag.begin());
  return sid;
}

Sid Sid::from_key(std::string_view key) {
  Sid sid;
  static_assert(sizeof sid == sizeof sid.uuid + kMaxTag);
  std::memcpy(&sid, key.data(), std::min(key.size(), sizeof sid));
  return sid;
}

std::string_view Sid::key() const {
  static_assert(offsetof(Sid, tag) == sizeof uuid);
  return {reinterpret_cast<const char*>(this), sizeof uuid + tag_text().size()};
}

std::string_view Sid::tag_text() const { return {tag.data(), strnlen(tag.data(), tag.size())}; }

std::string to_string(const Sid& sid) {
  std::string text = uuid_text(sid);
  if (std::string_view tag = sid.tag_text(); !tag.empty()) text.append(":").append(tag);
  return text;
}

GtidSet GtidSet::of(std::vector<Part> parts) {
  std::stable_sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.sid < b.sid; });
  GtidSet set;
  for (std::size_t i = 0; i < parts.size();) {
    Part whole = std::move(parts[i++]);
    for (; i < parts.size() && parts[i].sid == whole.sid; ++i)
      whole.intervals.insert(whole.intervals.end(), parts[i].intervals.begin(), parts[i].intervals.end());
    whole.intervals = sorted(std::move(whole.intervals));
    if (!whole.intervals.empty()) set.parts_.push_back(std::move(whole));
  }
  return set;
}

const GtidSet::Part* GtidSet::find(const Sid& sid) const {
  if (last_ < parts_.size() && parts_[last_].sid == sid) return &parts_[last_];
  auto at = std::lower_bound(parts_.begin(), parts_.end(), sid, before);
  return at != parts_.end() && at->sid == sid ? &*at : nullptr;
}

GtidSet::Part& GtidSet::part(const Sid& sid) {
  if (last_ < parts_.size() && parts_[last_].sid == sid) return parts_[last_];
  auto at = std::lower_bound(parts_.begin(), parts_.end(), sid, before);
  if (at == parts_.end() || at->sid != sid) at = parts_.insert(at, Part{sid, {}});
  last_ = static_cast<std::size_t>(at - parts_.begin());
  return *at;
}

bool GtidSet::add(const Sid& sid, std::uint64_t number) {
  if (number == 0 || number > kMaxNumber) return false;
  return add_number(part(sid).intervals, number);
}

bool GtidSet::contains(const Sid& sid, std::uint64_t number) const {
  const Part* part = find(sid);
  return part != nullptr && number <= kMaxNumber && has_number(part->intervals, number);
}

bool GtidSet::includes(const GtidSet& other) const {
  return std::all_of(other.parts_.begin(), other.parts_.end(), [&](const Part& theirs) {
    const Part* ours = find(theirs.sid);
    return ours != nullptr && mysql::includes(ours->intervals, theirs.intervals);
  });
}

void GtidSet::unite(const GtidSet& other) {
  std::vector<Part> result;
  auto i = parts_.begin();
  auto j = other.parts_.begin();
  while (i != parts_.end() || j != other.parts_.end()) {
    if (j == other.parts_.end() || (i != parts_.end() && i->sid < j->sid)) {
      result.push_back(std::move(*i++));
    } else if (i == parts_.end() || j->sid < i->sid) {
      result.push_back(*j++);
    } else {
      result.push_back({i->sid, united(i->intervals, j->intervals)});
      ++i, ++j;
    }
  }
  parts_ = std::move(result);
}

void GtidSet::subtract(const GtidSet& other) {
  for (Part& ours : parts_)
    if (const Part* theirs = other.find(ours.sid)) ours.intervals = without(ours.intervals, theirs->intervals);
  std::erase_if(parts_, [](const Part& part) { return part.intervals.empty(); });
}

void GtidSet::intersect(const GtidSet& other) {
  for (Part& ours : parts_) {
    const Part* theirs = other.find(ours.sid);
    ours.intervals = theirs != nullptr ? common(ours.intervals, theirs->intervals) : GtidIntervals{};
  }
  std::erase_if(parts_, [](const Part& part) { return part.intervals.empty(); });
}

std::string to_string(const GtidSet& set) {
  std::string text;
  const Sid* last = nullptr;
  for (const GtidSet::Part& part : set.parts()) {
    if (last == nullptr || last->uuid != part.sid.uuid)
      text.append(text.empty() ? "" : ",").append(uuid_text(part.sid));
    last = &part.sid;
    if (std::string_view tag = part.sid.tag_text(); !tag.empty()) text.append(":").append(tag);
    for (const GtidInterval& interval : part.intervals) {
      fmt::format_to(std::back_inserter(text), ":{}", interval.begin);
      if (interval.end - interval.begin > 1) fmt::format_to(std::back_inserter(text), "-{}", interval.end - 1);
    }
  }
  return text;
}

// ---- Reading text ---------------------------------------------------------------------------------------------------

namespace {

constexpr bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Tokens are read past the blanks before them; what is not there leaves the place where it is.
class SetText {
 public:
  explicit SetText(std::string_view text) : text_(text) {}

  Result<std::vector<GtidSet::Part>> read() {
    std::vector<GtidSet::Part> parts;
    do {
      if (ended() || peek() == ',') continue;  // the server takes "a,,b" too
      if (const char* wrong = read_uuid(parts)) return DecodeFailure{wrong, at_};
    } while (take(','));
    if (!ended()) return DecodeFailure{"a comma was expected", at_};
    return parts;
  }

 private:
  // uuid:1-5:8:tag:1-3. Says what is wrong, or null.
  const char* read_uuid(std::vector<GtidSet::Part>& parts) {
    Sid sid;
    if (!hex(sid.uuid)) return "a UUID was expected";
    parts.push_back({sid, {}});
    while (take(':')) {
      if (!is_digit(peek())) {
        if (!read_tag(sid.tag)) return "an interval or a tag was expected";
        parts.push_back({sid, {}});
        if (!take(':')) return "an interval was expected";
      }
      GtidInterval interval;
      if (!read_interval(interval)) return "an interval of transaction numbers was expected";
      parts.back().intervals.push_back(interval);
    }
    return parts.back().intervals.empty() ? "an interval was expected" : nullptr;
  }

  bool read_interval(GtidInterval& interval) {
    const std::size_t start = at_;
    std::uint64_t first = 0, last = 0;
    if (number(first)) {
      last = first;
      if ((!take('-') || number(last)) && first <= last) {
        interval = {first, last + 1};
        return true;
      }
    }
    at_ = start;
    return false;
  }

  bool number(std::uint64_t& value) {
    skip_space();
    auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc() || value == 0 || value > GtidSet::kMaxNumber) return false;
    at_ = static_cast<std::size_t>(end - text_.data());
    return true;
  }

  bool read_tag(std::array<char, Sid::kMaxTag>& tag) {
    skip_space();
    std::string lower;
    for (std::size_t i = at_; i < text_.size() && (is_letter(text_[i]) || is_digit(text_[i])); ++i)
      lower += to_lower(text_[i]);
    if (!is_tag(lower)) return false;
    tag.fill('\0');
    std::copy(lower.begin(), lower.end(), tag.begin());
    at_ += lower.size();
    return true;
  }

  bool hex(std::array<std::uint8_t, 16>& uuid) {
    constexpr std::string_view shape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    skip_space();
    std::size_t digits = 0;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      const char c = at_ + i < text_.size() ? text_[at_ + i] : '\0';
      if (shape[i] == '-') {
        if (c != '-') return false;
        continue;
      }
      std::uint8_t value = 0;
      if (std::from_chars(&c, &c + 1, value, 16).ec != std::errc()) return false;
      std::uint8_t& byte = uuid[digits++ / 2];
      byte = static_cast<std::uint8_t>(byte << 4 | value);
    }
    at_ += shape.size();
    return true;
  }

  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }
  char peek() {
    skip_space();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool ended() {
    skip_space();
    return at_ == text_.size();
  }
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Result<GtidSet> GtidSet::parse(std::string_view text) {
  auto parts = SetText(text).read();
  if (!parts) return parts.failure();
  return of(std::move(*parts));
}

// ---- The wire -------------------------------------------------------------------------------------------------------
// Untagged: n u64, then n times {uuid, intervals}. Tagged: byte 1, n in 6 bytes, byte 1, then n times
// {uuid, size of the tag times two in one byte, tag, intervals}. Intervals: count u64, then {begin u64, end u64}.

namespace {

constexpr std::uint64_t kTagged = 1;

bool read_intervals(Reader& from, GtidIntervals& intervals) {
  std::uint64_t last = 0;
  for (std::uint64_t n = from.u64(); n > 0 && from.ok(); --n) {
    const GtidInterval next{from.u64(), from.u64()};
    if (next.begin <= last || next.end <= next.begin || next.end > GtidSet::kMaxNumber + 1) return false;
    last = next.end;
    intervals.push_back(next);
  }
  return from.ok();
}

void put(std::vector<std::byte>& to, const void* from, std::size_t size) {
  const auto* bytes = static_cast<const std::byte*>(from);
  to.insert(to.end(), bytes, bytes + size);
}
void put(std::vector<std::byte>& to, std::uint64_t value) { put(to, &value, sizeof value); }

}  // namespace

std::vector<std::byte> GtidSet::encode() const {
  const bool tagged = std::any_of(parts_.begin(), parts_.end(), [](const Part& part) { return part.sid.tag[0] != 0; });
  std::vector<std::byte> to;
  put(to, tagged ? kTagged | parts_.size() << 8 | kTagged << 56 : parts_.size());
  for (const auto& [sid, intervals] : parts_) {
    put(to, sid.uuid.data(), sid.uuid.size());
    if (tagged) {
      const std::string_view tag = sid.tag_text();
      to.push_back(static_cast<std::byte>(tag.size() * 2));
      put(to, tag.data(), tag.size());
    }
    put(to, intervals.size());
    for (const GtidInterval& interval : intervals) {
      put(to, interval.begin);
      put(to, interval.end);
    }
  }
  return to;
}

Result<GtidSet> GtidSet::decode(Bytes body) {
  Reader from(body);
  std::uint64_t count = from.u64();
  const bool tagged = count >> 56 == kTagged;
  if (tagged) {
    if ((count & 0xFF) != kTagged) return DecodeFailure{"a GTID set of an unknown form", 0};
    count = count << 8 >> 16;
  }
  std::vector<Part> parts;
  for (; count > 0 && from.ok(); --count) {
    const Bytes uuid = from.bytes(16);
    const std::uint8_t twice = tagged ? from.u8() : 0;  // odd: a longer form of the number, which no tag needs
    const std::string_view tag = from.text(twice / 2);
    const std::size_t at = from.offset();
    auto sid = Sid::of(uuid, tag);
    if (!from.ok()) break;
    if (twice % 2 != 0 || !sid) return DecodeFailure{"a GTID set with a malformed tag", at};
    parts.push_back({*sid, {}});
    if (!read_intervals(from, parts.back().intervals) && from.ok())
      return DecodeFailure{"a GTID set with malformed intervals", from.offset()};
  }
  if (!from.ok()) return DecodeFailure{"a GTID set that is cut short", from.offset()};
  if (from.left() != 0) return DecodeFailure{"a GTID set with bytes behind it", from.offset()};
  return of(std::move(parts));
}

}  // namespace deltaforge::sources::mysql
