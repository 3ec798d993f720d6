// The rows of a device in the timeline: one for each model, with its loads (hatched), residencies (pale),
// batches (solid, with the number of items where it fits), releases (hatched) and marks for evictions and
// faults.
//
// Bars narrower than a pixel are merged with their neighbours: a hundred thousand batches become at most some
// hundred bars in a row. A merged bar is as solid as its batches fill it, and its tooltip has the counts. A
// row of very many residencies has no crosses, and no loads and releases that are too short to be seen.

import { formatReason } from '../core/explain/explain.ts'
import type { ModelId } from '../core/model.ts'
import type { Reason } from '../core/state/events.ts'
import { formatBytes, formatMs } from '../core/units.ts'
import type { BatchRun, ModelHistory, Residency } from '../record/history.ts'
import { bar, escapeXml, label, px, textWidth } from './look.ts'
import type { TimeScale } from './scale.ts'

/** A stretch of a row: one thing, or several merged ones. */
interface Stretch<Thing> {
  x: number
  endX: number
  /** Sum of the merged widths, px. */
  filledPx: number
  things: Thing[]
}

/** A merged bar grows to about this width, then a new one begins. */
const mergedPx = 3
/** Above this a row's crosses are a pattern, not a message. */
export const maxMarkedResidencies = 120
const laneHeights = [18, 11, 8, 6]

export interface Row {
  height: number
  svg: string
}

/** A model's row with its top at `y`; `colour` is a class number of look.ts. */
export function drawRow(model: ModelHistory, colour: number, y: number, scale: TimeScale): Row {
  const lanes = laneIndexes(model.batches)
  const laneCount = Math.min(laneHeights.length, Math.max(1, ...lanes.map((each) => each + 1)))
  const laneHeight = laneHeights[laneCount - 1]!
  const height = laneHeight * laneCount + 6
  const parts = [bar({ x: scale.leftPx, y, width: scale.rightPx - scale.leftPx, height }, 'row')]
  parts.push(drawResidencies(model, colour, y, height, scale))
  for (let lane = 0; lane < laneCount; lane++) {
    const batches = model.batches.filter((_, n) => lanes[n]! % laneHeights.length === lane)
    const place = { y: y + 3 + lane * laneHeight, height: laneHeight - 1 }
    parts.push(drawBatches(batches, { modelId: model.modelId, colour, ...place }, scale))
  }
  parts.push(drawMarks(model, y, height, scale))
  return { height, svg: parts.join('') }
}

/** Batches that run side by side lie in lanes of their own: the first that is free. */
function laneIndexes(batches: readonly BatchRun[]): number[] {
  const endsMs: number[] = []
  return batches.map(({ startMs, endMs }) => {
    const free = endsMs.findIndex((each) => each <= startMs)
    const lane = free >= 0 ? free : Math.min(endsMs.length, laneHeights.length - 1)
    endsMs[lane] = Math.max(endsMs[lane] ?? 0, endMs)
    return lane
  })
}

function drawResidencies(
  { modelId, residencies }: ModelHistory,
  colour: number,
  y: number,
  height: number,
  scale: TimeScale,
): string {
  const { loads, stays, releases, held } = stretchesOf(residencies, scale)
  const draw = (stretches: Stretch<Residency>[], paint: string, tip: (each: Residency) => string) =>
    stretches.map(({ x, endX, things }) => {
      const text = things.length > 1 ? `${modelId}: ${things.length} times` : tip(things[0]!)
      return bar({ x, y, width: Math.max(1, endX - x), height }, paint, text)
    })
  const isDense = residencies.length > maxMarkedResidencies
  const visible = (stretches: Stretch<Residency>[]) =>
    isDense ? stretches.filter(({ x, endX }) => endX - x >= 1.5) : stretches
  return [
    ...draw(stays, `m${colour} resident`, (each) => {
      const heldMs = leaveMs(each) - each.loadedMs!
      return `${modelId} resident: ${sizeOf(each)}${formatMs(heldMs)}`
    }),
    ...draw(visible(loads), `#load-m${colour}`, (each) => {
      const how = each.loadedMs === null ? `did not load${because(each.failure)}` : formatMs(each.loadMs!)
      return `${modelId} load: ${sizeOf(each)}${how}${lineOf(each.loadReason)}`
    }),
    ...draw(visible(releases), `#release-m${colour}`, (each) => {
      const why = each.stopReason ? lineOf(each.stopReason) : because(each.failure)
      const whom = each.makeRoomFor ? `, for ${each.makeRoomFor}` : ''
      return `${modelId} release: ${sizeOf(each)}${formatMs(each.endMs - each.stopMs!)}${whom}${why}`
    }),
    ...draw(held, 'held', ({ quarantinedMs, endMs }) => {
      return `${modelId} quarantined: its memory did not come back for ${formatMs(endMs - quarantinedMs!)}`
    }),
  ].join('')
}

/** The times of each kind, those that are close together as one. */
function stretchesOf(residencies: readonly Residency[], scale: TimeScale) {
  const spans = (from: (each: Residency) => number | null, to: (each: Residency) => number) =>
    merge(
      residencies.flatMap((each) => {
        const startMs = from(each)
        return startMs === null || to(each) <= startMs ? [] : [{ startMs, endMs: to(each), thing: each }]
      }),
      scale,
    )
  const startOf = ({ startMs }: Residency) => startMs
  const endOf = ({ endMs }: Residency) => endMs
  return {
    loads: spans(startOf, (each) => each.loadedMs ?? leaveMs(each)),
    stays: spans(({ loadedMs }) => loadedMs, leaveMs),
    releases: spans(({ stopMs }) => stopMs, endOf),
    held: spans(({ quarantinedMs }) => quarantinedMs, endOf),
  }
}

function leaveMs({ stopMs, endMs }: Residency): number {
  return stopMs ?? endMs
}

function sizeOf({ bytes }: Residency): string {
  return bytes > 0 ? `${formatBytes(bytes)}, ` : ''
}

/** A line of its own; nothing where the reason is from before what the journal still has. */
function lineOf(reason: Reason | null): string {
  return reason ? `\n${reason.rule}: ${formatReason(reason)}` : ''
}

function because(failure: string | null): string {
  return failure ? `: ${failure.slice(0, 300)}` : ''
}

interface Lane {
  modelId: ModelId
  colour: number
  y: number
  height: number
}

function drawBatches(
  batches: readonly BatchRun[],
  { modelId, colour, y, height }: Lane,
  scale: TimeScale,
): string {
  const stretches = merge(
    batches.map((thing) => ({ startMs: thing.startMs, endMs: thing.endMs, thing })),
    scale,
  )
  return stretches
    .map(({ x, endX, filledPx, things }) => {
      const width = Math.max(1, endX - x)
      const items = things.reduce((sum, { itemCount }) => sum + itemCount, 0)
      const count = String(items)
      const shape = bar({ x, y, width, height }, `m${colour}`, batchTip(modelId, things, items))
      // A merged bar that is half idle is half solid.
      const solidity = things.length > 1 ? Math.max(0.4, Math.min(1, filledPx / width)) : 1
      const faded = solidity < 0.95 ? shape.replace('<rect', `<rect opacity="${px(solidity)}"`) : shape
      if (things.length > 1 || height < 13 || textWidth(count, 10.5) + 6 > width) return faded
      return `${faded}${label(x + width / 2, y + height / 2 + 3.7, `count i${colour}`, count)}`
    })
    .join('')
}

function batchTip(modelId: ModelId, batches: readonly BatchRun[], items: number): string {
  const failed = batches.reduce((sum, { failedCount }) => sum + failedCount, 0)
  const computeMs = batches.reduce((sum, { runMs, startMs, endMs }) => sum + (runMs ?? endMs - startMs), 0)
  const figures = `${items} ${items === 1 ? 'item' : 'items'}${failed > 0 ? ` (${failed} failed)` : ''}, ${formatMs(computeMs)}`
  if (batches.length > 1) return `${modelId}: ${batches.length} batches, ${figures}`
  const { runMs, reason } = batches[0]!
  const end = runMs === null ? ', not finished' : ''
  return `${modelId}: ${figures}${end}${lineOf(reason)}`
}

/** A cross where an instance was evicted, a red diamond where it failed. Marks that would touch are one;
 * where there are many they are small. */
function drawMarks(
  { modelId, residencies }: ModelHistory,
  y: number,
  height: number,
  scale: TimeScale,
): string {
  const marks = (marked: readonly Residency[], shape: string, noun: string) => {
    const size = marked.length > 40 ? 0.5 : 1
    let lastX = Number.NEGATIVE_INFINITY
    return marked.flatMap((each) => {
      const x = Math.min(scale.xOf(each.stopMs!) + 4.5 * size, scale.rightPx - 4 * size)
      if (x - lastX < 8 * size) return []
      lastX = x
      const tip = `${modelId} ${noun}${each.makeRoomFor ? ` for ${each.makeRoomFor}` : because(each.failure)}`
      const place = `translate(${px(x)} ${px(y + height / 2)})${size < 1 ? ` scale(${size})` : ''}`
      return [`<g transform="${place}">${shape}<title>${escapeXml(tip)}</title></g>`]
    })
  }
  const stopped = residencies.filter(({ stopMs }) => stopMs !== null)
  const isDense = residencies.length > maxMarkedResidencies
  const evicted = isDense ? [] : stopped.filter(({ makeRoomFor }) => makeRoomFor !== null)
  const failed = stopped.filter(({ failure }) => failure !== null)
  return [...marks(evicted, crossShape, 'evicted'), ...marks(failed, diamondShape, 'failed')].join('')
}

const crossPath = 'M-3.5-3.5 3.5 3.5M-3.5 3.5 3.5-3.5'
export const crossShape = `<path class="halo" d="${crossPath}"/><path class="cross" d="${crossPath}"/>`
export const diamondShape = '<path class="fault" d="M0-5 5 0 0 5-5 0z"/>'

/** Stretches in pixels, from things in the order of their start; what is too narrow to be seen alone is
 * merged. */
function merge<Thing>(
  spans: readonly { startMs: number; endMs: number; thing: Thing }[],
  scale: TimeScale,
): Stretch<Thing>[] {
  const stretches: Stretch<Thing>[] = []
  for (const { startMs, endMs, thing } of spans) {
    const x = scale.xOf(startMs)
    const endX = scale.xOf(endMs)
    const last = stretches.at(-1)
    const isNarrow = last !== undefined && (endX - x < 1 || last.endX - last.x < 1)
    if (last && isNarrow && x - last.endX < 1 && last.endX - last.x < mergedPx) {
      last.endX = Math.max(last.endX, endX)
      last.filledPx += endX - x
      last.things.push(thing)
    } else {
      stretches.push({ x, endX, filledPx: endX - x, things: [thing] })
    }
  }
  return stretches
}
