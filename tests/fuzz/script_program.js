// The script of script_fuzz.cc: it does what bytes say. Row 0 carries them, as hex digits in `status`; the first is 1 when
// what earlier calls kept is to be forgotten.
const names = ['before', 'after', 'tags', 'routing', 'op', 'table', 'source', 'timestamp', 'event_id', 'id', 'ts_ms',
  'transaction', 'database', 'tx_id', 'synthetic', 'tenant_id', 'tx_end', 'checkpoint', 'route', 'x', '', '__proto__',
  'constructor', 'toJSON', 'length', '0', 'status', 'total', 'doc', '_unchanged', '_base64', 'topic', 'key', 'headers',
  '\ud800', 'ü\u2028"', 'y'.repeat(300), Symbol.iterator, Symbol.toPrimitive, Symbol('s')];
const texts = ['', 'a', 'c', 'u', 'r', '1', '\0', '"\\\n\x7f', '\ud800', '\udc00x', 'ü😀', 'x'.repeat(5000), 'NaN', '1.50',
  '{"a":1}', '__proto__', '9223372036854775808'];
const numbers = [0, -0, 1, -1, 1.5, NaN, Infinity, 2 ** 31, 2 ** 32 - 1, 2 ** 53, 2 ** 53 + 2, 2 ** 63, -(2 ** 63), 1e300,
  5e-324, 3.4028235e38];
const bigs = [0n, -1n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 64n, -(2n ** 63n), 10n ** 300n];

let bytes = [], at = 0, fuel = 0, deep = 0;
let rows = [];  // of this call
let kept = [];  // from the call before

const byte = () => at < bytes.length ? bytes[at++] : 0;
const pick = list => list[byte() % list.length];
const some = make => Array.from({length: byte() % 5}, make);
const row = () => rows[byte() % rows.length];
const quietly = f => { try { return f(); } catch (x) { return x; } };

function object(to = {}) {
  for (let left = byte() % 5; left > 0; --left) { const n = pick(names); quietly(() => { to[n] = value(); }); }
  return to;
}
// Anything may happen while an object is read: it changes events, or throws.
const acting = () => { const b = byte(), v = value(); return function () { act(); if (b % 8 == 0) throw v; return v; }; };

const values = [() => undefined, () => null, () => true, () => false, () => pick(numbers), () => pick(bigs),
  () => pick(texts), () => Symbol('v'), () => () => 1, () => some(value), object, () => new Date(pick(numbers)),
  row, row, () => ({...row()}), () => ({...row(), ...object()}), () => object({...row()}), () => row().after,
  () => row().before, () => ({...row().after}), () => pick(kept), () => ({...pick(kept)}), () => new Uint8Array(byte()),
  () => new Map([[1, value()]]), () => /x/g, () => new Error('e'), () => Promise.resolve(value()), () => new String('s'),
  () => new Number(1), () => Object(1n), () => Object.create(row()), () => Object.create(null), () => new Array(5000),
  () => { const o = object(); o.me = o; return o; }, () => { const l = some(value); l.push(l); return l; },
  () => { let o = value(); for (let i = byte(); i > 0; --i) o = {o}; return o; },
  () => { let o = value(); for (let i = byte(); i > 0; --i) o = [o]; return o; },
  () => Object.defineProperty(object(), pick(names), {get: acting(), enumerable: true, configurable: true}),
  () => ({...object(), toJSON: acting()}), () => ({[Symbol.toPrimitive]: acting()}), () => ({toString: acting()}),
  proxy, proxy, () => { const {proxy, revoke} = Proxy.revocable({}, {}); revoke(); return proxy; },
  () => Object.freeze(value()), () => class { static after = 1; }, () => globalThis, () => arguments,
  () => ({event_id: row().event_id}), () => ({event_id: pick(texts), op: value(), after: value()}),
  () => { const e = row(); return {...e, before: e.after, after: e.before}; }];

function value() {
  if (--fuel < 0 || deep > 8) return null;
  ++deep;
  try { return pick(values)(); } finally { --deep; }
}

function proxy() {
  const of = value();
  if (of === null || typeof of != 'object') return of;
  const traps = {};
  for (const name of ['get', 'ownKeys', 'has', 'getOwnPropertyDescriptor', 'getPrototypeOf', 'set', 'defineProperty',
    'deleteProperty']) {
    const b = byte();
    if (b % 3 == 0) traps[name] = (...given) => { act(); return Reflect_(name, given); };
    if (b % 17 == 16) traps[name] = acting();
  }
  return new Proxy(of, traps);
}
// What the trap would do; there may be no Reflect.
function Reflect_(name, [o, n, v]) {
  switch (name) {
    case 'get': return o[n];
    case 'ownKeys': return [...Object.getOwnPropertyNames(o), ...Object.getOwnPropertySymbols(o)];
    case 'has': return n in o;
    case 'getOwnPropertyDescriptor': return Object.getOwnPropertyDescriptor(o, n);
    case 'getPrototypeOf': return Object.getPrototypeOf(o);
    case 'set': o[n] = v; return true;
    case 'defineProperty': Object.defineProperty(o, n, v); return true;
    default: return delete o[n];
  }
}

const image = e => (byte() % 2 ? e.after : e.before) ?? {};
const acts = [e => { e[pick(names)] = value(); }, e => { delete e[pick(names)]; },
  e => { image(e)[pick(names)] = value(); }, e => { delete image(e)[pick(names)]; }, e => { object(image(e)); },
  e => { e.after = value(); }, e => { e.before = value(); }, e => { e.tags = value(); }, e => { e.tags.push(value()); },
  e => { e.routing = value(); }, e => { e.route(value()); }, e => { e.route({topic: value(), key: value(), headers: object()}); },
  e => { e.op = value(); e.source = value(); e.event_id = value(); }, e => { e.after.doc[pick(names)] = value(); },
  e => { delete e.before; delete e.after; }, e => { delete e.after.id; }, e => { e.after.id = value(); },
  e => { Object.defineProperty(e, pick(names), {get: acting(), enumerable: true, configurable: true}); },
  e => { Object.defineProperty(image(e), pick(names), {get: acting(), enumerable: true, configurable: true}); },
  e => { Object.setPrototypeOf(e, value()); }, e => { Object.setPrototypeOf(image(e), value()); },
  e => { Object.freeze(e); }, e => { Object.seal(image(e)); }, e => { Object.preventExtensions(e); },
  e => { JSON.stringify(e); }, e => { Object.keys(e.after); }, e => { for (const n in e) e[n]; }, e => { e.after.status; },
  e => { kept.push(e); }, e => { kept.push(e.after); }, e => { kept.push({...e}); }, e => { e.after = row().after; },
  e => { console.log(value()); }, e => { Promise.resolve(e).then(acting()); }, e => { rows.reverse(); },
  e => { rows.length = 0; rows.push(e); }];
function act() {
  if (--fuel < 0 || rows.length == 0) return;
  const e = row(), does = pick(acts);
  quietly(() => does(e));
}

const returns = [all => undefined, all => null, all => all, all => [], all => all.reverse(), all => all.filter(e => byte() % 2),
  all => all.flatMap(e => [e, e, {...e}]), all => all.map(e => byte() % 2 ? e : value()), all => some(value),
  all => some(value), all => [...all, ...some(value)], all => [...some(value), ...all], value,
  all => all.map(e => ({...e, x: value()})), all => all.map(e => ({...e, after: {...e.after, x: value()}})),
  all => new Proxy(all, {get(o, n) { act(); return o[n]; }}), all => { throw value(); },
  all => all.map(e => ({event_id: e.event_id, after: value(), op: value()})), all => all[0], all => kept];

function processBatch(all) {
  const hex = /^(?:[0-9a-f]{2})+$/.exec(all[0].after?.status)?.[0] ?? '';  // other rows come alone when a call has failed
  bytes = Array.from({length: hex.length / 2}, (_, i) => parseInt(hex.substr(2 * i, 2), 16));
  at = 0;
  if (byte() == 1) kept = [];
  fuel = 400;
  deep = 0;
  rows = [...all];
  for (let left = byte() % 12; left > 0; --left) act();
  return pick(returns)(all);
}
