// A run as a picture: an SVG that needs nothing but a viewer, readable on light and dark pages. From top to
// bottom: the figures, a legend, then for each device a row for each model in the order of its first load,
// and the memory chart under its budget line; devices without memory (steps on the CPU) come last; the time
// axis is at the bottom.
//
//   record/history.ts     what happened          rows.ts    bars of a model
//   scale.ts      time to pixels         memory.ts  the chart
//   look.ts   colours and SVG        this file           where everything stands
import { formatBytes, formatMs } from '../core/units.ts'
import { type DeviceHistory, type RunHistory, readHistory } from '../record/history.ts'
import type { JournalLine } from '../record/journal.ts'
import { formatKnownSince, type RunSummary, summarizeHistory } from '../record/summary.ts'
import { bar, clip, colourOf, escapeXml, hatches, label, px, styleSheet, textWidth } from './look.ts'
import { drawMemory } from './memory.ts'
import { crossShape, diamondShape, drawRow, maxMarkedResidencies } from './rows.ts'
import { type TimeScale, timeScale } from './scale.ts'

const widthPx = 1200
const marginPx = 28
const memoryPx = 120

/** Class numbers of look.ts, by model: one colour wherever it runs. */
type Colours = ReadonlyMap<string, number>

interface Block {
  height: number
  svg: string
}

/** The picture of a journal, as SVG text: some hundred kB at most, however long the run. Throws BAD_VALUE for
 * a journal of another version. */
export function drawTimeline(journal: Iterable<JournalLine>): string {
  const history = readHistory(journal)
  const summary = summarizeHistory(history)
  const names = [...new Set(history.devices.flatMap(({ models }) => models.map(({ modelId }) => modelId)))]
  const colours: Colours = new Map(names.map((name, index) => [name, colourOf(index)]))
  const namesPx = Math.max(100, Math.min(190, Math.max(0, ...names.map((name) => textWidth(name))) + 20))
  const endMs = history.wallMs + history.cuts.length
  const scale = timeScale(endMs, history.cuts, marginPx + namesPx + 12, widthPx - marginPx)

  const head = drawHead(history, summary)
  const blocks: string[] = []
  let y = head.height
  for (const device of history.devices) {
    if (device.models.length === 0 && device.capacityBytes === 0) continue
    const block = drawDevice(device, summary, colours, y, scale)
    blocks.push(block.svg)
    y += block.height
  }
  const height = y + 40
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${widthPx} ${px(height)}" width="${widthPx}" height="${px(height)}" role="img">`,
    `<title>${escapeXml(`Timeline of ${history.pipeline}`)}</title>`,
    styleSheet(),
    hatches(colours.size),
    `<rect class="page" width="${widthPx}" height="${px(height)}"/>`,
    head.svg,
    ...blocks,
    drawAxis(scale, y),
    '</svg>\n',
  ].join('\n')
}

function drawHead(history: RunHistory, summary: RunSummary): Block {
  const since = formatKnownSince(summary)
  const figures = [
    formatMs(summary.wallMs),
    counted(summary.items, 'item'),
    counted(summary.batches, 'batch', 'batches'),
    counted(summary.loads, 'load'),
    counted(summary.evictions, 'eviction'),
    ...(summary.failedItems > 0 ? [`${counted(summary.failedItems, 'item')} failed`] : []),
    ...(summary.resumes > 0 ? [`resumed ${counted(summary.resumes, 'time')}`] : []),
    `compute ${formatMs(summary.computeMs)}`,
    `loading ${formatMs(summary.loadMs)}`,
    ...(summary.budgetBytes > 0
      ? [`peak ${formatBytes(summary.peakBookedBytes)} of ${formatBytes(summary.budgetBytes)}`]
      : []),
    ...(since === null ? [] : [since]),
  ]
  const legend = drawLegend(history, 84)
  return {
    height: 84 + legend.height,
    svg: [
      label(marginPx, 42, 'title', clip(history.pipeline || 'nothing recorded', widthPx - 2 * marginPx, 21)),
      label(marginPx, 64, 'muted', figures.join('  ·  ')),
      legend.svg,
    ].join('\n'),
  }
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`
}

/** Only what occurs in the picture is explained. */
function drawLegend({ devices, cuts }: RunHistory, y: number): Block {
  const lists = devices.flatMap(({ models }) => models.map((each) => each.residencies))
  const residencies = lists.flat()
  const marked = lists.filter(({ length }) => length <= maxMarkedResidencies).flat()
  const swatch = (paint: string) => (x: number) => bar({ x, y, width: 22, height: 12 }, paint)
  const stroke = (className: string) => (x: number) =>
    `<path class="${className}" d="M${px(x)} ${px(y + 6.5)}h22"/>`
  const mark = (shape: string) => (x: number) =>
    `<g transform="translate(${px(x + 15)} ${px(y + 6)})">${shape}</g>`
  const entries: [boolean, string, (x: number) => string][] = [
    [true, 'load', swatch('#load-neutral')],
    [true, 'resident', swatch('neutral resident')],
    [true, 'batch, with its items', swatch('neutral')],
    [residencies.some(({ stopMs }) => stopMs !== null), 'release', swatch('#release-neutral')],
    [marked.some(({ makeRoomFor }) => makeRoomFor !== null), 'eviction', mark(crossShape)],
    [residencies.some(({ failure }) => failure !== null), 'failure', mark(diamondShape)],
    [residencies.some(({ quarantinedMs }) => quarantinedMs !== null), 'quarantined', swatch('held')],
    [devices.some(({ bookings }) => bookings.length > 0), 'memory booked', stroke('booked')],
    [devices.some(({ measured }) => measured.length > 0), 'measured', stroke('measured')],
    [devices.some(({ capacityBytes }) => capacityBytes > 0), 'budget', stroke('line')],
    [cuts.length > 0, 'pause, run resumed', swatch('gap')],
  ]
  let x = marginPx
  const drawn = entries.flatMap(([occurs, name, draw]) => {
    if (!occurs) return []
    const svg = draw(x) + label(x + 28, y + 10, 'muted small', name)
    x += 28 + textWidth(name, 11) + 20
    return [svg]
  })
  return { height: 34, svg: drawn.join('\n') }
}

function drawDevice(
  device: DeviceHistory,
  summary: RunSummary,
  colours: Colours,
  top: number,
  scale: TimeScale,
): Block {
  const parts = [
    label(marginPx, top + 16, 'device', clip(device.id, scale.leftPx - marginPx - 12, 15)),
    label(scale.leftPx, top + 16, 'muted small', describe(device, summary)),
  ]
  const rowsY = top + 28
  let y = rowsY
  for (const model of device.models) {
    const colour = colours.get(model.modelId)!
    const row = drawRow(model, colour, y, scale)
    const name = clip(model.modelId, scale.leftPx - marginPx - 30)
    parts.push(
      bar({ x: marginPx, y: y + row.height / 2 - 5, width: 10, height: 10 }, `m${colour}`),
      label(marginPx + 17, y + row.height / 2 + 4, '', name),
      row.svg,
    )
    y += row.height + 3
  }
  if (device.capacityBytes > 0) {
    parts.push(drawMemory(device, colours, y + 12, memoryPx, scale))
    y += memoryPx + 12
  }
  parts.push(drawGrid(scale, rowsY, y))
  return { height: y - top + 24, svg: parts.join('\n') }
}

function describe(device: DeviceHistory, summary: RunSummary): string {
  const figures = summary.devices.find(({ id }) => id === device.id)!
  if (device.capacityBytes === 0) return `no device memory  ·  ${counted(figures.items, 'item')}`
  const { peakBookedBytes, peakMeasuredBytes, budgetBytes } = figures
  const share =
    budgetBytes > 0 ? ` (${Math.round((peakBookedBytes / budgetBytes) * 100)} % of the budget)` : ''
  return [
    device.kind === device.id ? [] : [device.kind],
    `${formatBytes(device.capacityBytes)}`,
    `peak booked ${formatBytes(peakBookedBytes)}${share}`,
    peakMeasuredBytes > 0 ? [`measured ${formatBytes(peakMeasuredBytes)}`] : [],
    [counted(figures.loads, 'load'), counted(figures.evictions, 'eviction'), counted(figures.items, 'item')],
  ]
    .flat()
    .join('  ·  ')
}

/** Faint lines at the round moments, and a band for each pause. */
function drawGrid(scale: TimeScale, top: number, bottom: number): string {
  const lines = scale.ticks.map(({ ms }) => `M${px(scale.xOf(ms))} ${px(top)}V${px(bottom)}`).join('')
  const gaps = scale.gaps.map(({ x, width, pauseMs }) => {
    const middleX = x + width / 2 + 3.5
    const middleY = (top + bottom) / 2
    const hasRoom = width > 12 && bottom - top > 70
    return [
      bar({ x, y: top, width, height: bottom - top }, 'gap', `resumed after a pause of ${formatMs(pauseMs)}`),
      ...[x, x + width].map((each) => `<path class="cut" d="M${px(each)} ${px(top)}V${px(bottom)}"/>`),
      hasRoom
        ? `<g transform="rotate(-90 ${px(middleX)} ${px(middleY)})">${label(middleX, middleY, 'muted small middle', 'resumed')}</g>`
        : '',
    ].join('')
  })
  return `<path class="moments" d="${lines}"/>${gaps.join('')}`
}

function drawAxis(scale: TimeScale, bottom: number): string {
  const y = bottom - 14
  const ticks = scale.ticks.map(({ ms, label: name }) => {
    const x = scale.xOf(ms)
    return `<path class="grid" d="M${px(x)} ${px(y)}v6"/>${label(x, y + 21, 'muted small middle', name)}`
  })
  return [`<path class="grid" d="M${px(scale.leftPx)} ${px(y)}H${px(scale.rightPx)}"/>`, ...ticks].join('\n')
}
