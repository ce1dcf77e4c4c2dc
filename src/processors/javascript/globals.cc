#include "processors/javascript/globals.h"

#include <string>

#include <js/CallArgs.h>
#include <js/Class.h>
#include <js/GlobalObject.h>
#include <js/PropertyAndElement.h>
#include <js/PropertySpec.h>
#include <js/Realm.h>
#include <js/RealmOptions.h>
#include <jsapi.h>

#include "obs/log.h"
#include "processors/javascript/from_js.h"
#include "processors/javascript/vm.h"

namespace deltaforge::processors::javascript {
namespace {

constexpr JSClass kGlobal = {"global", JSCLASS_GLOBAL_FLAGS, &JS::DefaultGlobalClassOps};
constexpr std::size_t kLongestLine = 8 * 1024;

Vm& vm_of(JSContext* context) { return *static_cast<Vm*>(JS_GetContextPrivate(context)); }

template <obs::Level level>
bool print(JSContext* context, unsigned count, JS::Value* values) {
  const JS::CallArgs args = JS::CallArgsFromVp(count, values);
  args.rval().setUndefined();
  if (!obs::log_enabled(level)) return true;
  std::string line;
  for (unsigned i = 0; i < args.length() && line.size() < kLongestLine; ++i) {
    if (i > 0) line += ' ';
    if (append_for_people(context, args[i], line)) continue;
    if (!JS_IsExceptionPending(context)) return false;  // it was stopped
    JS_ClearPendingException(context);
    line += "(cannot be shown)";
  }
  if (line.size() > kLongestLine) {
    line.resize(kLongestLine);
    while (!line.empty() && (static_cast<unsigned char>(line.back()) & 0xC0) == 0x80) line.pop_back();
    if (!line.empty() && static_cast<signed char>(line.back()) < 0) line.pop_back();
  }
  vm_of(context).print(static_cast<int>(level), line);
  return true;
}

bool random(JSContext* context, unsigned count, JS::Value* values) {
  JS::CallArgsFromVp(count, values).rval().setDouble(vm_of(context).random());
  return true;
}

const JSFunctionSpec kConsole[] = {
    JS_FN("debug", print<obs::Level::debug>, 1, 0), JS_FN("log", print<obs::Level::info>, 1, 0),
    JS_FN("info", print<obs::Level::info>, 1, 0),   JS_FN("warn", print<obs::Level::warn>, 1, 0),
    JS_FN("error", print<obs::Level::error>, 1, 0), JS_FS_END};

bool furnish(JSContext* context, JS::HandleObject global, Clock clock) {
  if (!JS::InitRealmStandardClasses(context)) return false;
  JS::RootedObject console(context, JS_NewPlainObject(context));
  if (!console || !JS_DefineFunctions(context, console, kConsole) ||
      !JS_DefineProperty(context, global, "console", console, 0))
    return false;
  if (clock == Clock::wall) return true;
  JS::RootedValue math(context);
  if (!JS_GetProperty(context, global, "Math", &math) || !math.isObject()) return false;
  JS::RootedObject object(context, &math.toObject());
  return JS_DefineFunction(context, object, "random", random, 0, 0) != nullptr;
}

}  // namespace

JSObject* new_global(JSContext* context, Clock clock) {
  JS::RealmOptions options;
  options.creationOptions().setSharedMemoryAndAtomicsEnabled(false).setWeakRefsEnabled(JS::WeakRefSpecifier::Disabled);
  options.behaviors().setClampAndJitterTime(true);  // asks for the time that `clock` says
  JS::RootedObject global(context, JS_NewGlobalObject(context, &kGlobal, nullptr, JS::FireOnNewGlobalHook, options));
  if (!global) return nullptr;
  JSAutoRealm realm(context, global);
  return furnish(context, global, clock) ? global.get() : nullptr;
}

}  // namespace deltaforge::processors::javascript
