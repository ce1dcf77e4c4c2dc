#include "processors/javascript/objects.h"

#include <time.h>

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>
#include <js/Array.h>
#include <js/Class.h>
#include <js/Object.h>
#include <js/PropertyAndElement.h>
#include <js/PropertyDescriptor.h>
#include <js/PropertySpec.h>
#include <js/friend/ErrorMessages.h>
#include <jsapi.h>
#include <jsfriendapi.h>

#include "core/event_id.h"
#include "encode/envelope_names.h"
#include "encode/json_items.h"
#include "processors/javascript/to_js.h"
#include "processors/javascript/vm.h"

namespace deltaforge::processors::javascript {
namespace {

constexpr auto& kMembers = encode::kEnvelopeNames;
static_assert(kMembers.size() == static_cast<std::size_t>(Member::other));

// Other names for what is told elsewhere in the event; they do not show in lists of its members.
bool is_alias(Member member) {
  return member == Member::table || member == Member::timestamp || member == Member::database ||
         member == Member::tx_id;
}

bool has_route(const Extra& extra) { return extra.topic || extra.key || !extra.headers.empty(); }

constexpr unsigned kPlace = 0, kGeneration = 1;  // slots

Objects& objects_of(JSContext* context);

bool resolve_event(JSContext* context, JS::HandleObject object, JS::HandleId id, bool* resolved) {
  return objects_of(context).resolve_event(object, id, resolved);
}
bool resolve_image(JSContext* context, JS::HandleObject object, JS::HandleId id, bool* resolved) {
  return objects_of(context).resolve_image(object, id, resolved);
}
bool append_all(const std::vector<JS::PropertyKey>& names, JS::MutableHandleIdVector to) {
  return std::ranges::all_of(names, [&](const JS::PropertyKey& name) { return to.append(name); });
}
// Object.entries and Object.values pass over names whose value has not been made yet.
bool make_all(JSContext* context, JS::HandleObject object, JS::HandleIdVector names) {
  JS::RootedId id(context);
  for (const JS::PropertyKey& name : names) {
    id = name;
    bool exists = false;
    if (!JS_HasOwnPropertyById(context, object, id, &exists)) return false;
  }
  return true;
}
bool event_names(JSContext* context, JS::HandleObject object, JS::MutableHandleIdVector to, bool enumerable_only) {
  std::vector<JS::PropertyKey> names;
  return objects_of(context).event_names(object, names, enumerable_only) && append_all(names, to) &&
         make_all(context, object, to);
}
bool image_names(JSContext* context, JS::HandleObject object, JS::MutableHandleIdVector to, bool) {
  std::vector<JS::PropertyKey> names;
  return objects_of(context).image_names(object, names) && append_all(names, to) && make_all(context, object, to);
}
bool on_add(JSContext* context, JS::HandleObject object, JS::HandleId id, JS::HandleValue) {
  objects_of(context).changed(object, id, false);
  return true;
}
bool on_delete(JSContext* context, JS::HandleObject object, JS::HandleId id, JS::ObjectOpResult& result) {
  objects_of(context).changed(object, id, true);
  return result.succeed();
}

constexpr JSClassOps kEventOps = {
    .addProperty = on_add, .delProperty = on_delete, .newEnumerate = event_names, .resolve = resolve_event};
constexpr JSClassOps kImageOps = {
    .addProperty = on_add, .delProperty = on_delete, .newEnumerate = image_names, .resolve = resolve_image};
constexpr JSClass kEvent = {"Event", JSCLASS_HAS_RESERVED_SLOTS(2), &kEventOps};
constexpr JSClass kImage = {"Object", JSCLASS_HAS_RESERVED_SLOTS(2), &kImageOps};

// ev.route({topic, key, headers}): replaces what was there.
bool route(JSContext* context, unsigned count, JS::Value* values) {
  const JS::CallArgs args = JS::CallArgsFromVp(count, values);
  args.rval().setUndefined();
  if (!args.thisv().isObject() || !args.get(0).isObject()) {
    JS_ReportErrorUTF8(context, "ev.route() takes an object: {topic, key, headers}");
    return false;
  }
  JS::RootedObject event(context, &args.thisv().toObject());
  return JS_SetProperty(context, event, "routing", args[0]);
}
const JSFunctionSpec kEventFunctions[] = {JS_FN("route", route, 1, 0), JS_FS_END};

bool stale(JSContext* context) {
  JS_ReportErrorUTF8(context, "an event of an earlier call: copy what you keep, for example with {...event.after}");
  return false;
}

std::string iso_time(std::int64_t us) {
  const std::int64_t ms = us / 1000 - (us % 1000 < 0 ? 1 : 0);
  std::int64_t seconds = ms / 1000, rest = ms % 1000;
  if (rest < 0) {
    rest += 1000;
    --seconds;
  }
  const time_t time = seconds;
  tm parts{};
  gmtime_r(&time, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, rest);
}

}  // namespace

// Names are atoms: they never move, and live as long as they are rooted.
struct Objects::Engine {
  explicit Engine(JSContext* context)
      : originals(context), names(context), event_prototype(context), image_prototype(context) {}

  JS::PersistentRootedVector<JS::Value> originals;
  JS::PersistentRootedVector<JS::PropertyKey> names;
  JS::PersistentRootedObject event_prototype, image_prototype;
  std::array<JS::PropertyKey, kMembers.size()> members;
};

struct Objects::Columns {
  std::uint64_t id;
  std::vector<JS::PropertyKey> keys;
  std::unordered_map<std::uintptr_t, std::uint32_t> places;  // by the bits of the key
};

namespace {
bool rooted_key(JSContext* context, JS::PersistentRootedVector<JS::PropertyKey>& roots, std::string_view name,
                JS::PropertyKey& to) {
  JS::RootedValue value(context);
  if (!text_to_js(context, name, &value)) return false;
  JS::RootedString text(context, value.toString());
  JS::RootedId id(context);
  if (!JS_StringToId(context, text, &id) || !roots.append(id)) return false;
  to = id;
  return true;
}
}  // namespace

Objects::Objects(JSContext* context) : context_(context), engine_(std::make_unique<Engine>(context)) {}

Objects::~Objects() = default;

bool Objects::prepare() {
  for (std::size_t i = 0; i < kMembers.size(); ++i)
    if (!rooted_key(context_, engine_->names, kMembers[i], engine_->members[i])) return false;
  engine_->image_prototype = JS::GetRealmObjectPrototype(context_);
  JS::RootedObject prototype(context_, JS_NewPlainObject(context_));
  if (!prototype || !JS_DefineFunctions(context_, prototype, kEventFunctions)) return false;
  engine_->event_prototype = prototype;
  return true;
}

void Objects::begin(Batch& batch, const std::vector<std::uint32_t>& inputs) {
  batch_ = &batch;
  inputs_ = &inputs;
  ++generation_;
  cells_.assign(inputs.size(), Cell());
}

void Objects::end() {
  ++generation_;
  batch_ = nullptr;
  inputs_ = nullptr;
  touches_.clear();
  engine_->originals.clear();
}

namespace {
JSObject* make_object(JSContext* context, const JSClass& kind, JS::HandleObject prototype, std::uint32_t place,
                      std::uint32_t generation) {
  JSObject* object = JS_NewObjectWithGivenProto(context, &kind, prototype);
  if (object == nullptr) return nullptr;
  JS::SetReservedSlot(object, kPlace, JS::PrivateUint32Value(place));
  JS::SetReservedSlot(object, kGeneration, JS::PrivateUint32Value(generation));
  return object;
}
}  // namespace

JSObject* Objects::event(std::uint32_t index) {
  return make_object(context_, kEvent, engine_->event_prototype, index, generation_);
}

Objects::Which Objects::event_of(JSObject* object, std::uint32_t& index) const {
  if (JS::GetClass(object) != &kEvent) return Which::foreign;
  if (JS::GetReservedSlot(object, kGeneration).toPrivateUint32() != generation_ || batch_ == nullptr)
    return Which::earlier;
  index = JS::GetReservedSlot(object, kPlace).toPrivateUint32();
  return Which::current;
}

Objects::Which Objects::image_of(JSObject* object, std::uint32_t& index, Side& side) const {
  if (JS::GetClass(object) != &kImage) return Which::foreign;
  if (JS::GetReservedSlot(object, kGeneration).toPrivateUint32() != generation_ || batch_ == nullptr)
    return Which::earlier;
  const std::uint32_t place = JS::GetReservedSlot(object, kPlace).toPrivateUint32();
  index = place / 2;
  side = static_cast<Side>(place % 2);
  return Which::current;
}

void Objects::original(std::uint32_t index, JS::MutableHandleValue to) const { to.set(engine_->originals[index]); }

Member Objects::member_of(const JS::PropertyKey& id) const {
  const auto found = std::ranges::find(engine_->members, id);
  return static_cast<Member>(found - engine_->members.begin());
}

JS::PropertyKey Objects::key(Member member) const { return engine_->members[static_cast<std::size_t>(member)]; }

Objects::Columns& Objects::columns(const TableSchema& schema) {
  if (last_ != nullptr && last_->id == schema.id) return *last_;
  for (const auto& each : tables_)
    if (each->id == schema.id) return *(last_ = each.get());
  auto made = std::make_unique<Columns>();
  made->id = schema.id;
  for (const Column& column : schema.columns) {
    JS::PropertyKey id;
    if (!rooted_key(context_, engine_->names, column.name, id))
      JS_ClearPendingException(context_);  // a name that is not UTF-8
    made->places.emplace(id.asRawBits(), static_cast<std::uint32_t>(made->keys.size()));
    made->keys.push_back(id);
  }
  tables_.push_back(std::move(made));
  return *(last_ = tables_.back().get());
}

JS::PropertyKey Objects::column_key(const TableSchema& schema, std::uint32_t column) {
  return columns(schema).keys[column];
}

const std::uint32_t* Objects::column_of(const TableSchema& schema, const JS::PropertyKey& id) {
  const auto& places = columns(schema).places;
  const auto found = places.find(id.asRawBits());
  return found == places.end() || id.isVoid() ? nullptr : &found->second;
}

bool Objects::define(JSObject* raw, JS::HandleId id, JS::HandleValue value, bool enumerable, Watched& watched,
                     std::uint32_t what) {
  JS::RootedObject object(context_, raw);
  defining_ = true;
  const bool defined = JS_DefinePropertyById(context_, object, id, value, enumerable ? JSPROP_ENUMERATE : 0);
  defining_ = false;
  if (!defined) return false;
  touches_.push_back({what, static_cast<std::uint32_t>(engine_->originals.length()), watched.touches});
  watched.touches = static_cast<std::uint32_t>(touches_.size());
  return engine_->originals.append(value);
}

// Whether a script looked at it before: if it is gone since, it stays gone.
namespace {
bool was_touched(const std::vector<Touch>& touches, const Watched& watched, std::uint32_t what) {
  for (std::uint32_t at = watched.touches; at != 0; at = touches[at - 1].next)
    if (touches[at - 1].what == what) return true;
  return false;
}
}  // namespace

bool Objects::resolve_image(JSObject* raw, JS::HandleId id, bool* resolved) {
  if (id.isSymbol()) return true;
  JS::RootedObject object(context_, raw);  // a collection moves it
  std::uint32_t index = 0;
  Side side{};
  if (image_of(object, index, side) != Which::current) return stale(context_);
  const Event& event = input(index);
  const std::uint32_t* column = column_of(*event.schema, id);
  if (column == nullptr) return true;
  const Value& value = (side == Side::before ? event.before : event.after).values[*column];
  Watched& watched = cells_[index].images[static_cast<int>(side)];
  if (value.kind() == Kind::absent || (watched.removed && was_touched(touches_, watched, *column))) return true;
  JS::RootedValue made(context_);
  if (!to_js(context_, value, &made) || !define(object, id, made, true, watched, *column)) return false;
  *resolved = true;
  return true;
}

bool Objects::image_names(JSObject* object, std::vector<JS::PropertyKey>& to) {
  std::uint32_t index = 0;
  Side side{};
  if (image_of(object, index, side) != Which::current) return stale(context_);
  const Event& event = input(index);
  const Image& image = side == Side::before ? event.before : event.after;
  const Watched& watched = cells_[index].images[static_cast<int>(side)];
  for (std::uint32_t i = 0; i < image.values.size(); ++i) {
    if (image.values[i].kind() == Kind::absent || (watched.removed && was_touched(touches_, watched, i))) continue;
    if (const JS::PropertyKey id = column_key(*event.schema, i); !id.isVoid()) to.push_back(id);
  }
  return true;
}

bool Objects::resolve_event(JSObject* raw, JS::HandleId id, bool* resolved) {
  if (id.isSymbol()) return true;
  JS::RootedObject object(context_, raw);  // a collection moves it
  std::uint32_t index = 0;
  if (event_of(object, index) != Which::current) return stale(context_);
  Watched& watched = cells_[index].event;
  const Member member = member_of(id);
  if (member == Member::other) return further_member(object, id, index, resolved);
  const auto what = static_cast<std::uint32_t>(member);
  if (watched.removed && was_touched(touches_, watched, what)) return true;
  JS::RootedValue made(context_);
  bool exists = true;
  if (!make(member, index, &made, exists)) return false;
  if (!exists) return true;
  if (!define(object, id, made, !is_alias(member), cells_[index].event, what)) return false;
  *resolved = true;
  return true;
}

// What an earlier processor has added under a name of its own.
bool Objects::further_member(JSObject* raw, JS::HandleId id, std::uint32_t index, bool* resolved) {
  const Extra* extra = input(index).extra;
  Watched& watched = cells_[index].event;
  if (extra == nullptr || extra->members.empty()) return true;
  JS::RootedObject object(context_, raw);
  const auto what = static_cast<std::uint32_t>(id.get().asRawBits()) | 0x8000'0000;
  if (watched.removed && was_touched(touches_, watched, what)) return true;
  const std::string braced = "{" + std::string(extra->members) + "}";
  JS::RootedValue all(context_), value(context_);
  if (!json_to_js(context_, braced, &all)) return false;
  JS::RootedObject members(context_, &all.toObject());
  bool has = false;
  if (!JS_HasOwnPropertyById(context_, members, id, &has) || !has) return !JS_IsExceptionPending(context_);
  if (!JS_GetPropertyById(context_, members, id, &value) || !define(object, id, value, true, watched, what))
    return false;
  *resolved = true;
  return true;
}

bool Objects::event_names(JSObject* object, std::vector<JS::PropertyKey>& to, bool enumerable_only) {
  std::uint32_t index = 0;
  if (event_of(object, index) != Which::current) return stale(context_);
  const Event& event = input(index);
  const Watched& watched = cells_[index].event;
  const Extra none, &extra = event.extra != nullptr ? *event.extra : none;
  using enum Member;
  for (const Member each : {before, after, source, op, ts_ms, transaction, event_id, id, tags, synthetic, table,
                            timestamp, database, tx_id, routing}) {
    if (each == tags && extra.tags.empty()) continue;
    if (each == synthetic && extra.synthetic.empty()) continue;
    if (each == routing && enumerable_only && !has_route(extra)) continue;
    if (enumerable_only && is_alias(each)) continue;
    if (watched.removed && was_touched(touches_, watched, static_cast<std::uint32_t>(each))) continue;
    to.push_back(key(each));
  }
  if (extra.members.empty()) return true;
  const std::string braced = "{" + std::string(extra.members) + "}";
  JS::RootedValue all(context_);
  if (!json_to_js(context_, braced, &all)) return false;
  JS::RootedObject members(context_, &all.toObject());
  JS::RootedIdVector ids(context_);
  if (!js::GetPropertyKeys(context_, members, JSITER_OWNONLY, &ids)) return false;
  for (std::size_t i = 0; i < ids.length(); ++i) {
    const auto what = static_cast<std::uint32_t>(ids[i].get().asRawBits()) | 0x8000'0000;
    if (!watched.removed || !was_touched(touches_, watched, what)) to.push_back(ids[i]);
  }
  return true;
}

void Objects::changed(JSObject* object, const JS::PropertyKey& id, bool removed) {
  if (defining_) return;
  std::uint32_t index = 0;
  Side side{};
  if (event_of(object, index) == Which::current) {
    Watched& watched = cells_[index].event;
    const Member member = member_of(id);
    watched.removed |= removed;
    watched.tags |= member == Member::tags;
    watched.added |= member == Member::other;
    watched.ignored |= !is_free(member);
  } else if (image_of(object, index, side) == Which::current) {
    Watched& watched = cells_[index].images[static_cast<int>(side)];
    (removed ? watched.removed : watched.added) = true;
  }
}

bool Objects::make(Member member, std::uint32_t index, JS::MutableHandleValue to, bool& exists) {
  const Event& event = input(index);
  const Commit& commit = std::as_const(*batch_).commits()[event.commit];
  const TableSchema& schema = *event.schema;
  switch (member) {
    case Member::after: return image(index, Side::after, to);
    case Member::before: return image(index, Side::before, to);
    case Member::routing: return routing(event, to);
    case Member::source: return source(event, to);
    case Member::tags: exists = event.extra != nullptr && !event.extra->tags.empty(); return !exists || tags(event, to);
    case Member::op: {
      const char op = static_cast<char>(event.op);
      JSString* text = JS_AtomizeStringN(context_, &op, 1);
      if (text != nullptr) to.setString(text);
      return text != nullptr;
    }
    case Member::table: return text_to_js(context_, schema.full_name, to);
    case Member::database: return text_to_js(context_, schema.database, to);
    case Member::tx_id: return text_to_js(context_, commit.transaction_id, to);
    case Member::timestamp: return text_to_js(context_, iso_time(commit.ts_us), to);
    case Member::ts_ms: to.setNumber(static_cast<double>(commit.ts_us / 1000)); return true;
    case Member::event_id:
    case Member::id: return text_to_js(context_, to_string(event_id(commit, event)), to);
    case Member::synthetic:
      exists = event.extra != nullptr && !event.extra->synthetic.empty();
      return !exists || text_to_js(context_, event.extra->synthetic, to);
    case Member::transaction: {
      JS::RootedObject object(context_, JS_NewPlainObject(context_));
      JS::RootedValue id(context_);
      if (!object || !text_to_js(context_, commit.transaction_id, &id) ||
          !JS_DefineProperty(context_, object, "id", id, JSPROP_ENUMERATE) ||
          !JS_DefineProperty(context_, object, "total_order", event.total_order, JSPROP_ENUMERATE))
        return false;
      to.setObject(*object);
      return true;
    }
    default: exists = false; return true;
  }
}

bool Objects::image(std::uint32_t index, Side side, JS::MutableHandleValue to) {
  const Event& event = input(index);
  if (event.extra != nullptr) {
    const std::string_view shown = side == Side::before ? event.extra->before : event.extra->after;
    if (!shown.empty()) return json_to_js(context_, shown, to);
  }
  to.setNull();
  if (!(side == Side::before ? event.before : event.after).present) return true;
  JSObject* object = make_object(context_, kImage, engine_->image_prototype,
                                 index * 2 + static_cast<std::uint32_t>(side), generation_);
  if (object != nullptr) to.setObject(*object);
  return object != nullptr;
}

bool Objects::tags(const Event& event, JS::MutableHandleValue to) {
  JS::RootedValueVector items(context_);
  JS::RootedValue item(context_);
  for (const std::string_view tag : event.extra->tags)
    if (!text_to_js(context_, tag, &item) || !items.append(item)) return false;
  JSObject* list = JS::NewArrayObject(context_, items);
  if (list != nullptr) to.setObject(*list);
  return list != nullptr;
}

bool Objects::routing(const Event& event, JS::MutableHandleValue to) {
  JS::RootedObject object(context_, JS_NewPlainObject(context_)), headers(context_, JS_NewPlainObject(context_));
  JS::RootedValue value(context_);
  if (!object || !headers) return false;
  const auto put = [&](JS::HandleObject in, std::string_view name, std::string_view text) {
    JS::RootedValue key(context_);
    if (!text_to_js(context_, name, &key) || !text_to_js(context_, text, &value)) return false;
    JS::RootedString key_text(context_, key.toString());
    JS::RootedId id(context_);
    return JS_StringToId(context_, key_text, &id) && JS_DefinePropertyById(context_, in, id, value, JSPROP_ENUMERATE);
  };
  if (const Extra* extra = event.extra) {
    if (extra->topic && !put(object, "topic", *extra->topic)) return false;
    if (extra->key && !put(object, "key", *extra->key)) return false;
    for (const Header& each : extra->headers)
      if (!put(headers, each.name, each.value)) return false;
  }
  if (!JS_DefineProperty(context_, object, "headers", headers, JSPROP_ENUMERATE)) return false;
  to.setObject(*object);
  return true;
}

bool Objects::source(const Event& event, JS::MutableHandleValue to) {
  const TableSchema& schema = *event.schema;
  const Commit& commit = std::as_const(*batch_).commits()[event.commit];
  JS::RootedValue all(context_), value(context_);
  const std::string locus = "{" + std::string(event.locus) + "}";
  if (!json_to_js(context_, locus, &all)) return false;
  JS::RootedObject object(context_, &all.toObject());
  const auto put = [&](const char* name, std::string_view text) {
    return text_to_js(context_, text, &value) && JS_DefineProperty(context_, object, name, value, JSPROP_ENUMERATE);
  };
  if (!put("version", DELTAFORGE_VERSION) || !put("connector", schema.connector) || !put("name", schema.source_id) ||
      !JS_DefineProperty(context_, object, "ts_ms", static_cast<double>(commit.ts_us / 1000), JSPROP_ENUMERATE) ||
      !put("db", schema.database) || (!schema.schema.empty() && !put("schema", schema.schema)) ||
      !put("table", schema.table))
    return false;
  to.setObject(*object);
  return true;
}

namespace {
Objects& objects_of(JSContext* context) { return *static_cast<Vm*>(JS_GetContextPrivate(context))->objects(); }
}  // namespace

}  // namespace deltaforge::processors::javascript
