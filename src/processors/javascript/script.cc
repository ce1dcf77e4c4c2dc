#include "processors/javascript/script.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <js/Array.h>
#include <js/CallAndConstruct.h>
#include <js/CompilationAndEvaluation.h>
#include <js/CompileOptions.h>
#include <js/Conversions.h>
#include <js/ErrorReport.h>
#include <js/Exception.h>
#include <js/SourceText.h>
#include <jsapi.h>
#include <jsfriendapi.h>

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

// An error as the engine's own are, with a line and a column (in code points, from 0) of the script.
bool fail_at(JSContext* context, std::string_view source, std::size_t offset, const std::string& message) {
  const std::string_view before = source.substr(0, offset), line = before.substr(before.rfind('\n') + 1);
  const auto lines = static_cast<std::uint32_t>(std::ranges::count(before, '\n'));
  const auto column = static_cast<std::uint32_t>(
      std::ranges::count_if(line, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
  JS::RootedString file(context, JS_NewStringCopyZ(context, "inline")),
      text(context, JS_NewStringCopyN(context, message.data(), message.size()));
  JS::RootedValue error(context);
  if (file && text &&
      JS::CreateError(context, JSEXN_ERR, nullptr, file, lines + 1, column, nullptr, text, JS::NothingHandleValue,
                      &error))
    JS_SetPendingException(context, error);
  return false;
}

// Where something is missing.
std::size_t end_of(std::string_view source) { return source.find_last_not_of(" \t\r\n") + 1; }

std::size_t end_of_line(std::string_view source, unsigned line) {
  std::size_t end = source.find('\n');
  for (; line > 1 && end != std::string_view::npos; --line) end = source.find('\n', end + 1);
  return end;
}

// The engine tells the line in which a function's parameters begin, and its text. Of a proxy it tells neither: then it
// is the end of the script.
std::size_t definition_of(JSContext* context, JS::HandleValue callable, std::string_view source) {
  JS::RootedFunction function(context, JS_GetObjectFunction(&callable.toObject()));
  JS::RootedScript script(context, function ? JS_GetFunctionScript(context, function) : nullptr);
  JS::RootedString text(context, script ? JS_DecompileFunction(context, function) : nullptr);
  const JS::UniqueChars chars = text ? JS_EncodeStringToUTF8(context, text) : nullptr;
  JS_ClearPendingException(context);
  if (!chars) return end_of(source);
  const std::size_t last = end_of_line(source, JS_GetScriptBaseLineNumber(context, script));
  const std::size_t found = source.rfind(chars.get(), last);
  return found == std::string_view::npos ? end_of(source) : found;
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

bool is_plain_function(JSContext* context, JS::HandleValue kind_of, JS::HandleValue entry, std::string_view source) {
  JS::RootedValue kind(context);
  if (!JS::Call(context, JS::UndefinedHandleValue, kind_of, JS::HandleValueArray(entry), &kind)) return false;
  JS::RootedString text(context, JS::ToString(context, kind));
  const JS::UniqueChars chars = text ? JS_EncodeStringToUTF8(context, text) : nullptr;
  if (!chars) return false;
  if (*chars.get() == '\0') return true;
  return fail_at(
      context, source, definition_of(context, entry, source),
      fmt::format("its entry is {}: it must be a plain function, which returns events at once", chars.get()));
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
    if (is_function(parts.entry)) return is_plain_function(context, kind_of, parts.entry, source);
    return fail_at(context, source, end_of(source),
                   "it has no entry: define function processBatch(events), or end with (event) => [event]");
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
