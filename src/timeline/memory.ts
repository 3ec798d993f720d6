// The memory chart under a device's rows: what is booked, stacked by model, under the red budget line, and
// what was measured as a dotted line. Where several changes fall into one pixel the highest is kept, so that
// no peak is lost.
import { formatBytes } from '../core/units.ts'
import type { DeviceHistory } from '../record/history.ts'
import { label, px } from './look.ts'
import { roundTicks, type TimeScale } from './scale.ts'

interface Level {
  x: number
  /** Booked bytes by model, in the order of the rows. */
  bytes: number[]
  totalBytes: number
}

export function drawMemory(
  device: DeviceHistory,
  colours: ReadonlyMap<string, number>,
  y: number,
  height: number,
  scale: TimeScale,
): string {
  const measuredPeak = device.measured.reduce((peak, { bytes }) => Math.max(peak, bytes), 0)
  const budgetPeak = device.budgets.reduce((peak, { bytes }) => Math.max(peak, bytes), 0)
  const topBytes = Math.max(device.peakBookedBytes, measuredPeak, budgetPeak, 1) * 1.1
  const yOf = (bytes: number) => y + height - (bytes / topBytes) * height
  const levels = bookedLevels(device, scale)
  return [
    ...drawAxis(device.budgetBytes, topBytes, yOf, scale),
    ...device.models.map(({ modelId }, index) => {
      const areas = layerAreas(levels, index, yOf, scale)
      return areas ? `<path class="m${colours.get(modelId)} area" d="${areas}"/>` : ''
    }),
    stepPath(
      levels.map(({ x, totalBytes }) => ({ x, bytes: totalBytes })),
      yOf,
      'booked',
      scale.rightPx,
    ),
    drawMeasured(device, yOf, scale),
    drawBudget(device, yOf, scale),
  ].join('')
}

function drawAxis(
  budgetBytes: number,
  topBytes: number,
  yOf: (bytes: number) => number,
  { leftPx, rightPx }: TimeScale,
): string[] {
  return roundTicks(topBytes, 4).flatMap((bytes) => {
    if (Math.abs(yOf(bytes) - yOf(budgetBytes)) < 13) return []
    const line = `<path class="grid" d="M${px(leftPx)} ${px(yOf(bytes))}H${px(rightPx)}"/>`
    return [
      line,
      label(leftPx - 10, yOf(bytes) + 4, 'muted small end', bytes === 0 ? '0' : formatBytes(bytes)),
    ]
  })
}

/** What is booked after each change. A pixel with several has the highest, and before a pause of changes the
 * last. */
function bookedLevels(device: DeviceHistory, scale: TimeScale): Level[] {
  const bytes = device.models.map(() => 0)
  const levels: Level[] = [{ x: scale.leftPx, bytes: [...bytes], totalBytes: 0 }]
  let totalBytes = 0
  let highest: Level | null = null
  let last: Level | null = null
  const endPixel = (nextX: number) => {
    if (!highest || !last) return
    levels.push(highest)
    if (last !== highest && nextX - last.x > 2) levels.push(last)
    highest = null
  }
  for (const { atMs, modelIndex, deltaBytes } of device.bookings) {
    const x = scale.xOf(atMs)
    bytes[modelIndex]! += deltaBytes
    totalBytes += deltaBytes
    if (last && Math.floor(last.x) !== Math.floor(x)) endPixel(x)
    last = { x, bytes: [...bytes], totalBytes }
    if (!highest || totalBytes >= highest.totalBytes) highest = last
  }
  endPixel(Number.POSITIVE_INFINITY)
  return levels
}

/** The area between the sum of the models below and that with this one, as path data. */
function layerAreas(
  levels: readonly Level[],
  index: number,
  yOf: (bytes: number) => number,
  scale: TimeScale,
): string {
  const sums = levels.map(({ x, bytes }) => {
    const below = bytes.slice(0, index).reduce((sum, each) => sum + each, 0)
    return { x, below, above: below + bytes[index]! }
  })
  // Each stretch in which the model holds something is a closed area of its own.
  const areas: string[] = []
  for (let start = 0; start < sums.length; start++) {
    if (sums[start]!.above === sums[start]!.below) continue
    let end = start
    while (end < sums.length && sums[end]!.above > sums[end]!.below) end++
    const steps = sums.slice(start, end)
    const endX = sums[end]?.x ?? scale.rightPx
    const there = edge(
      steps.map(({ x, above }) => ({ x, bytes: above })),
      endX,
      yOf,
    )
    const back = edge(
      steps.map(({ x, below }) => ({ x, bytes: below })),
      endX,
      yOf,
    )
    areas.push(`M${there.join('L')}L${back.reverse().join('L')}Z`)
    start = end
  }
  return areas.join('')
}

/** The corners of a step line; a step that changes nothing has none. */
function edge(
  steps: readonly { x: number; bytes: number }[],
  endX: number,
  yOf: (bytes: number) => number,
): string[] {
  const corners: string[] = []
  let lastY: string | null = null
  for (const { x, bytes } of steps) {
    const y = px(yOf(bytes))
    if (y === lastY) continue
    if (lastY !== null) corners.push(`${px(x)} ${lastY}`)
    corners.push(`${px(x)} ${y}`)
    lastY = y
  }
  if (lastY !== null) corners.push(`${px(endX)} ${lastY}`)
  return corners
}

function stepPath(
  steps: readonly { x: number; bytes: number }[],
  yOf: (bytes: number) => number,
  className: string,
  endX: number,
): string {
  const corners = edge(steps, endX, yOf)
  return corners.length > 0 ? `<path class="${className}" d="M${corners.join('L')}"/>` : ''
}

/** One reading a pixel, the highest; the line is broken where the run was. */
function drawMeasured(device: DeviceHistory, yOf: (bytes: number) => number, scale: TimeScale): string {
  const points: { x: number; bytes: number }[] = []
  for (const { atMs, bytes } of device.measured) {
    const x = scale.xOf(atMs)
    const last = points.at(-1)
    if (last && Math.floor(last.x) === Math.floor(x)) last.bytes = Math.max(last.bytes, bytes)
    else points.push({ x, bytes })
  }
  const corners = points.map(({ x, bytes }) => `${px(x)} ${px(yOf(bytes))}`)
  return corners.length > 1 ? `<path class="measured" d="M${corners.join('L')}"/>` : ''
}

/** The line itself, with the mark of a ship's side at its head. */
function drawBudget(device: DeviceHistory, yOf: (bytes: number) => number, scale: TimeScale): string {
  const [first] = device.budgets
  if (!first || device.capacityBytes === 0) return ''
  const steps = device.budgets.map(({ atMs, bytes }) => ({ x: scale.xOf(atMs), bytes }))
  const kept = steps.filter(({ x }, n) => n === 0 || Math.floor(x) !== Math.floor(steps[n - 1]!.x))
  const y = yOf(first.bytes)
  return [
    stepPath(kept, yOf, 'line', scale.rightPx),
    `<circle class="line" cx="${px(scale.leftPx)}" cy="${px(y)}" r="5"/>`,
    `<path class="line" d="M${px(scale.leftPx - 9)} ${px(y)}h9"/>`,
    label(scale.leftPx - 13, y + 4, 'red small end', `budget ${formatBytes(device.budgetBytes)}`),
  ].join('')
}
