// Text to bytes and milliseconds, and back. Inside, everything is an integer number of bytes or milliseconds;
// units exist only in files, flags and pages. GB is 10^9 bytes, GiB 2^30.
import { SchedulerError } from './errors.ts'

/** As people write them: `GB`, `gb` and `G` are one; `Gb` is none, since it means bits to some. */
const byteUnits = new Map([['B', 1]])
for (const [index, prefix] of ['K', 'M', 'G', 'T'].entries()) {
  const small = prefix.toLowerCase()
  for (const unit of [prefix, `${prefix}B`, `${small}b`]) byteUnits.set(unit, 1000 ** (index + 1))
  for (const unit of [`${prefix}i`, `${prefix}iB`, `${small}ib`]) byteUnits.set(unit, 1024 ** (index + 1))
}
byteUnits.set('kB', 1000)

const durationUnits = new Map([
  ['ms', 1],
  ...['s', 'sec', 'second', 'seconds'].map((unit) => [unit, 1e3] as const),
  ...['m', 'min', 'minute', 'minutes'].map((unit) => [unit, 60e3] as const),
  ...['h', 'hour', 'hours'].map((unit) => [unit, 3600e3] as const),
  ...['d', 'day', 'days'].map((unit) => [unit, 86400e3] as const),
])

/**
 * A size in bytes, from text with a unit (B, kB, MB, GB, TB; KiB, MiB, GiB, TiB) or from a number of bytes.
 * GB is 10⁹ bytes, GiB 2³⁰. Throws BAD_VALUE.
 *
 * @public
 * @example
 * ```ts
 * parseBytes('4.5GB') // => 4.5e9
 * parseBytes('512 MiB') // => 536870912
 * parseBytes('4.5 gigs') // throws BAD_VALUE
 * ```
 */
export function parseBytes(value: string | number): number {
  const parts = partsOf(value, byteUnits)
  if (parts?.length !== 1) throw badQuantity(value, 'a size such as 4.5GB, 512MiB or a number of bytes')
  return parts[0]!
}

/**
 * A duration in milliseconds, from text with a unit (ms, s, m, min, h, d) or from a number of milliseconds.
 * Throws BAD_VALUE.
 *
 * @public
 * @example
 * ```ts
 * parseDuration('1.5s') // => 1500
 * parseDuration('10m') // => 600_000
 * parseDuration('soon') // throws BAD_VALUE
 * ```
 */
export function parseDuration(value: string | number): number {
  const parts = partsOf(value, durationUnits)
  if (parts === null)
    throw badQuantity(value, 'a duration such as 250ms, 1.5s, 1h30m or a number of milliseconds')
  return parts.reduce((sum, part) => sum + part)
}

/** A number without a unit. People think in GB and in seconds; whoever reads their files asks. */
export function hasNoUnit(value: string | number): boolean {
  return /^\s*\d+(\.\d+)?\s*$/.test(String(value)) && Number(value) > 0
}

/** What people mean by a number without a unit, and what it would be. */
export type PlainUnits = readonly [meant: string, plain: string]
export const sizeUnits: PlainUnits = ['GB', 'B']
export const timeUnits: PlainUnits = ['s', 'ms']

export function askForUnit(value: string | number, [meant, plain]: PlainUnits): string {
  return `${value} has no unit: write ${value}${meant}, or ${value}${plain}`
}

/** Each number times its unit; one alone may have none. null: it is no quantity. */
function partsOf(value: string | number, units: ReadonlyMap<string, number>): number[] | null {
  const text = String(value).trim()
  if (/^\d+(\.\d+)?$/.test(text)) return [Math.round(Number(text))]
  const parts: number[] = []
  let end = 0
  for (const { 0: part, 1: number, 2: unit, index } of text.matchAll(/(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*/g)) {
    const factor = units.get(unit!)
    if (index !== end || factor === undefined) return null
    parts.push(Math.round(Number(number) * factor))
    end += part.length
  }
  return parts.length > 0 && end === text.length ? parts : null
}

function badQuantity(value: string | number, wanted: string): SchedulerError {
  return new SchedulerError('BAD_VALUE', `"${value}" is not ${wanted}.`, { value })
}

/**
 * A size for people, from bytes: three significant digits in decimal units. Never throws.
 *
 * @param bytes - a number of bytes
 * @public
 * @example
 * ```ts
 * formatBytes(1_083_000_000) // => '1.08 GB'
 * ```
 */
export function formatBytes(bytes: number): string {
  const [unit, size] = (
    [
      ['TB', 1e12],
      ['GB', 1e9],
      ['MB', 1e6],
      ['kB', 1e3],
    ] as const
  ).find(([, each]) => Math.abs(bytes) >= each) ?? ['B', 1]
  return `${Number((bytes / size).toPrecision(3))} ${unit}`
}

/**
 * A duration for people, from milliseconds: `850 ms`, `4.2 s`, `3 min 20 s`, `2 h 5 min`. Never throws.
 *
 * @param ms - milliseconds, 0 or more
 * @public
 * @example
 * ```ts
 * formatMs(850) // => '850 ms'
 * formatMs(200_000) // => '3 min 20 s'
 * ```
 */
export function formatMs(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60e3) return `${Number((ms / 1000).toFixed(1))} s`
  const seconds = Math.round(ms / 1000)
  const [large, small, sizeSeconds, smallSeconds] =
    seconds < 3600 ? (['min', 's', 60, 1] as const) : (['h', 'min', 3600, 60] as const)
  const rest = Math.floor((seconds % sizeSeconds) / smallSeconds)
  return `${Math.floor(seconds / sizeSeconds)} ${large}${rest ? ` ${rest} ${small}` : ''}`
}
