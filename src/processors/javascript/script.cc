#include "processors/javascript/script.h"

#include <utility>

#include <js/Array.h>
#include <js/CallAndConstruct.h>
#include <js/CompilationAndEvaluation.h>
#include <js/CompileOptions.h>
#include <js/Conversions.h>
#include <js/SourceText.h>
#include <jsapi.h>

#include "base/bytes.h"
#include "core/event_id.h"
#include "obs/log.h"
#include "processors/javascript/collect.h"
#include "processors/javascript/objects.h"
#include "processors/javascript/vm.h"

namespace deltaforge::processors::javascript {
namespace {

bool evaluate(JSContext* context, std::string_view text, JS::MutableHandleValue to) {
  JS::CompileOptions options(context);
  options.setFileAndLine("inline", 1);
  JS::SourceText<mozilla::Utf8Unit> source;
  return source.init(context, text.data(), text.size(), JS::SourceOwnership::Borrowed) &&
         JS::Evaluate(context, options, source, to);
}

}  // namespace

// In the order in which they are made; the context goes last.
struct Script::Parts {
  explicit Parts(Settings settings) : vm(settings), objects(vm.context()), entry(vm.context()) {
    vm.set_objects(&objects);
  }

  bool batch(JSContext*, Collector&);
  bool each(JSContext*, Collector&);
  void seed(std::uint32_t input);

  Vm vm;
  Objects objects;
  JS::PersistentRootedValue entry;
  Scratch scratch;
  bool per_event = false;
  bool warned = false;
};

// Returns what kind of function it is, if it is none that gives back events when it is called.
constexpr std::string_view kKind = R"((f) => {
  const kind = Object.prototype.toString.call(f);
  if (kind.includes('Async')) return 'async';
  if (kind.includes('Generator')) return 'a generator';
  return /^class\b/.test(Function.prototype.toString.call(f)) ? 'a class' : '';
})";

bool is_plain_function(JSContext* context, JS::HandleValue kind_of, JS::HandleValue entry) {
  JS::RootedValue kind(context);
  if (!JS::Call(context, JS::UndefinedHandleValue, kind_of, JS::HandleValueArray(entry), &kind)) return false;
  JS::RootedString text(context, JS::ToString(context, kind));
  const JS::UniqueChars chars = text ? JS_EncodeStringToUTF8(context, text) : nullptr;
  if (!chars) return false;
  if (*chars.get() == '\0') return true;
  JS_ReportErrorUTF8(context, "its entry is %s: it must be a plain function, which returns events at once",
                     chars.get());
  return false;
}

Script::Script(Settings settings, const std::string& source, std::optional<Failure>& failure)
    : parts_(std::make_unique<Parts>(std::move(settings))) {
  Parts& parts = *parts_;
  failure = parts.vm.guarded([&](JSContext* context) {
    JS::RootedValue kind_of(context), completion(context), named(context);
    constexpr std::string_view kNamed = "typeof processBatch === 'function' ? processBatch : undefined";
    if (!parts.objects.prepare() || !evaluate(context, kKind, &kind_of) || !evaluate(context, source, &completion) ||
        !evaluate(context, kNamed, &named))
      return false;
    const auto is_function = [](const JS::Value& value) {
      return value.isObject() && JS::IsCallable(&value.toObject());
    };
    parts.per_event = !is_function(named);
    parts.entry = parts.per_event ? completion : named;
    if (is_function(parts.entry)) return is_plain_function(context, kind_of, parts.entry);
    JS_ReportErrorUTF8(context,
                       "it has no entry: define function processBatch(events), or end with (event) => [event]");
    return false;
  });
}

Script::~Script() = default;

// With `clock: commit` time stands still at the commit, and random numbers follow from the event.
void Script::Parts::seed(std::uint32_t input) {
  if (vm.settings().clock == Clock::wall) return;
  const Event& event = objects.input(input);
  const Commit& commit = std::as_const(objects.batch()).commits()[event.commit];
  const EventId id = event_id(commit, event);
  vm.set_time(commit.ts_us / 1000,
              load_big_endian<std::uint64_t>(id.data()) ^ load_big_endian<std::uint64_t>(id.data() + 8));
}

bool Script::Parts::batch(JSContext* context, Collector& to) {
  JS::RootedValueVector items(context);
  if (!items.reserve(objects.count())) return false;
  for (std::uint32_t i = 0; i < objects.count(); ++i) {
    JSObject* event = objects.event(i);
    if (event == nullptr) return false;
    items.infallibleAppend(JS::ObjectValue(*event));
  }
  JSObject* list = JS::NewArrayObject(context, items);
  if (list == nullptr) return false;
  JS::RootedValue given(context, JS::ObjectValue(*list)), returned(context);
  seed(0);
  return JS::Call(context, JS::UndefinedHandleValue, entry, JS::HandleValueArray(given), &returned) &&
         to.returned(returned, given);
}

bool Script::Parts::each(JSContext* context, Collector& to) {
  JS::RootedValue given(context), returned(context);
  for (std::uint32_t i = 0; i < objects.count(); ++i) {
    JSObject* event = objects.event(i);
    if (event == nullptr) return false;
    given.setObject(*event);
    seed(i);
    to.begin_with(i);
    if (!JS::Call(context, JS::UndefinedHandleValue, entry, JS::HandleValueArray(given), &returned) ||
        !to.returned(returned, given))
      return false;
  }
  return true;
}

std::optional<Failure> Script::call(Batch& batch, const std::vector<std::uint32_t>& inputs, std::vector<Output>& out) {
  Parts& parts = *parts_;
  parts.objects.begin(batch, inputs);
  bool ignored = false;
  auto failure = parts.vm.guarded([&](JSContext* context) {
    Collector collector(context, parts.objects, parts.vm.settings(), parts.vm.memory_limit(), parts.scratch, out);
    const bool done = parts.per_event ? parts.each(context, collector) : parts.batch(context, collector);
    ignored = collector.ignored_write();
    return done;
  });
  parts.objects.end();
  if (ignored && !std::exchange(parts.warned, true))
    obs::warn(
        "a script wrote to a member of an event that is not its own; it was left as it is",
        {{"pipeline", std::string_view(parts.vm.settings().pipeline)},
         {"processor", std::string_view(parts.vm.settings().id)},
         {"members",
          "op, source, event_id, ts_ms, transaction, synthetic, tenant_id, tx_end, checkpoint, and other names of "
          "these"}});
  return failure;
}

}  // namespace deltaforge::processors::javascript
