// What JSON says of values that come from people and their workers, in whatever language: numbers that a
// double holds, texts, lists and maps. Typed arrays are lists. Anything else would be changed in silence, so
// it is refused by name, with the path to it.

/** As JSON. Throws TypeError with what cannot be said, and where. */
export function outputJson(output: unknown): string {
  const paths = new WeakMap<object, string>()
  return JSON.stringify({ output: output ?? null }, function (this: object, key: string, value: unknown) {
    const path = key === '' ? '' : joined(paths.get(this) ?? '', this, key)
    const own = (this as Record<string, unknown>)[key]
    const said = sayable(ArrayBuffer.isView(own) ? own : value, path) // a Buffer would say itself as a map
    if (typeof said === 'object' && said !== null) paths.set(said, path)
    return said
  }).slice('{"output":'.length, -1)
}

function joined(path: string, holder: object, key: string): string {
  return Array.isArray(holder) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`
}

function sayable(value: unknown, path: string): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) throw unsayable(path, String(value))
  if (typeof value === 'bigint') {
    if (Number.isSafeInteger(Number(value))) return Number(value)
    throw unsayable(path, `${value}n, which is larger than the whole numbers of JSON`)
  }
  if (typeof value === 'function' || typeof value === 'symbol') throw unsayable(path, `a ${typeof value}`)
  if (typeof value !== 'object' || value === null) return value
  if (ArrayBuffer.isView(value) && !(value instanceof DataView))
    return Array.from(value as unknown as ArrayLike<unknown>)
  for (const kind of [Map, Set, WeakMap, WeakSet, ArrayBuffer, DataView, Promise, RegExp, Error])
    if (value instanceof kind) throw unsayable(path, `a ${kind.name}`)
  return value
}

function unsayable(path: string, what: string): TypeError {
  return new TypeError(`JSON cannot say ${path}: it is ${what}`)
}

/** A value with the JSON that it was written as. */
interface Written {
  readonly source?: string
}

/** Numbers that a double may not hold as they are written: those are looked at. */
const suspicious = /\d{16}|\d[eE]\+?\d{3}/

const [quote, backslash, opened, closed, begun, ended] = [34, 92, 91, 93, 123, 125]

/** The database reads JSON that is up to 1000 deep; an output is only a part of what it is given. */
const mostDepth = 500

/** As JSON.parse. `fault`: what could not be kept of it, as the end of a sentence. */
export function readJson(text: string): { value: unknown; fault: string | null } {
  if (isDeep(text)) return { value: JSON.parse(text), fault: `is nested more than ${mostDepth} deep` }
  if (!suspicious.test(text)) return { value: JSON.parse(text), fault: null }
  let changed: string | null = null
  const value = JSON.parse(text, (_key, each: unknown, context?: Written) => {
    if (typeof each === 'number' && isChanged(each, context?.source ?? '')) changed ??= context!.source!
    return each
  })
  if (changed === null) return { value, fault: null }
  const number = (changed as string).slice(0, 40)
  return { value, fault: `has the number ${number}, which cannot be kept as it is; write it as text` }
}

/** Whether a double does not hold a number as it was written. */
export function isChanged(number: number, source: string): boolean {
  if (!Number.isFinite(number)) return true
  return /^[-+]?\d+$/.test(source) && BigInt(source.replace('+', '')) !== BigInt(number)
}

function isDeep(text: string): boolean {
  if (text.length <= 2 * mostDepth) return false
  let depth = 0
  let isText = false
  for (let index = 0; index < text.length; index++) {
    const sign = text.charCodeAt(index)
    if (isText && sign === backslash) index++
    else if (sign === quote) isText = !isText
    else if (!isText && (sign === opened || sign === begun)) depth++
    else if (!isText && (sign === closed || sign === ended)) depth--
    if (depth > mostDepth) return true
  }
  return false
}
