// Elapsed time to pixels, and the round moments that are named on the axis. A cut, where a run ended and was
// resumed, takes a narrow gap of its own, however long the pause was.
import { formatMs } from '../core/units.ts'

export interface TimeScale {
  leftPx: number
  rightPx: number
  xOf(ms: number): number
  ticks: { ms: number; label: string }[]
  gaps: { x: number; width: number; pauseMs: number }[]
}

const stepsMs = [
  1,
  2,
  5,
  10,
  20,
  50,
  100,
  200,
  500,
  1e3,
  2e3,
  5e3,
  10e3,
  15e3,
  30e3,
  60e3,
  120e3,
  300e3,
  600e3,
  900e3,
  1800e3,
  3600e3,
  2 * 3600e3,
  3 * 3600e3,
  6 * 3600e3,
  12 * 3600e3,
  24 * 3600e3,
]

/** Ticks stand at least this far apart: `2 h 30 min` fits. */
const minTickPx = 84

export function timeScale(
  endMs: number,
  cuts: readonly { atMs: number; pauseMs: number }[],
  leftPx: number,
  rightPx: number,
): TimeScale {
  const gapPx = Math.min(16, (rightPx - leftPx) / 4 / Math.max(1, cuts.length))
  const pxPerMs = (rightPx - leftPx - gapPx * cuts.length) / Math.max(1, endMs)
  const xOf = (ms: number) => {
    let before = 0
    while (before < cuts.length && cuts[before]!.atMs < ms) before++
    return leftPx + Math.min(ms, endMs) * pxPerMs + before * gapPx
  }
  const wantedMs = minTickPx / pxPerMs
  const days = Math.ceil(wantedMs / 86_400e3)
  const stepMs = stepsMs.find((each) => each >= wantedMs) ?? days * 86_400e3
  const ticks = Array.from({ length: Math.floor(endMs / stepMs) + 1 }, (_, n) => ({
    ms: n * stepMs,
    label: n === 0 ? '0' : formatMs(n * stepMs),
  }))
  const gaps = cuts.map(({ atMs, pauseMs }) => ({ x: xOf(atMs), width: gapPx, pauseMs }))
  return { leftPx, rightPx, xOf, ticks, gaps }
}

/** Round values from 0 to at most `max`, about `count` of them: 1, 2 or 5 times a power of ten apart. */
export function roundTicks(max: number, count: number): number[] {
  const wanted = max / count
  const power = 10 ** Math.floor(Math.log10(wanted))
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= wanted)!
  return Array.from({ length: Math.floor(max / step) + 1 }, (_, n) => n * step)
}
