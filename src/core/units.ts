// Text to bytes and milliseconds, and back. Inside, everything is an integer number of bytes or milliseconds;
// units exist only in files, flags and pages. GB is 10^9 bytes, GiB 2^30.
import { SchedulerError } from './errors.ts'

const byteUnits: Record<string, number> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}

const durationUnits: Record<string, number> = { ms: 1, s: 1e3, m: 60e3, min: 60e3, h: 3600e3, d: 86400e3 }

/** `"4.5GB"`, `"512 MiB"`, or a number of bytes. Throws BAD_VALUE. */
export function parseBytes(value: string | number): number {
  return parseQuantity(value, byteUnits, 'a size such as 4.5GB, 512MiB or a number of bytes')
}

/** `"250ms"`, `"1.5s"`, `"10m"`, or a number of milliseconds. Throws BAD_VALUE. */
export function parseDuration(value: string | number): number {
  return parseQuantity(
    value,
    durationUnits,
    'a duration such as 250ms, 1.5s, 10m or a number of milliseconds',
  )
}

function parseQuantity(value: string | number, units: Record<string, number>, wanted: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*$/.exec(String(value))
  const factor = match && (match[2] === '' ? 1 : units[match[2]!])
  if (!match || factor === undefined || factor === null) {
    throw new SchedulerError('BAD_VALUE', `"${value}" is not ${wanted}.`, { value })
  }
  return Math.round(Number(match[1]) * factor)
}

/** Three significant digits in decimal units: `1.08 GB`. */
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

/** `850 ms`, `4.2 s`, `3 min 20 s`, `2 h 5 min`. */
export function formatMs(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60e3) return `${Number((ms / 1000).toFixed(1))} s`
  const seconds = Math.round(ms / 1000)
  const [large, small, sizeSeconds, smallSeconds] =
    seconds < 3600 ? (['min', 's', 60, 1] as const) : (['h', 'min', 3600, 60] as const)
  const rest = Math.floor((seconds % sizeSeconds) / smallSeconds)
  return `${Math.floor(seconds / sizeSeconds)} ${large}${rest ? ` ${rest} ${small}` : ''}`
}
