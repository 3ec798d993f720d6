// Progress of a run for people who watch it: a line for each step, one for each device with what is on it,
// and the time left. All is cut to the width of the terminal: bars go first, then sizes, then ends of lines.
//
//   ocr     ━━━━━━━━━━━━────────  12/20   1 failed  2.4/s
//   ram     ━━━━━━━━━━━━━━━━━━━┃  1.05 of 1.08 GB  [ocr 780 MB ▶] [rate 310 MB]
//   41 s, about 20 s left
//
// Marks of an instance: ↓ it is being loaded, ▶ it runs a batch, ↑ it gives its memory back, ! its memory did
// not come back. All that is shown comes from the state.
import type { DeviceProgress, InstanceProgress, ProgressState, StepProgress } from '../api/progress.ts'
import { formatBytes, formatMs } from '../core/units.ts'
import { cellCount, fit, pad, plain } from './cells.ts'

export interface ProgressView {
  /** Cells in a line. */
  width: number
  color: boolean
  /** Most lines; steps give way. Default: no limit. */
  height?: number
}

type Colour = keyof typeof ansi
type Paint = (text: string, colour: Colour) => string
/** null: the terminal's own colour. */
type Part = [text: string, colour: Colour | null]

const ansi = { red: 31, green: 32, yellow: 33, cyan: 36, dim: 2 }
const marks: Record<InstanceProgress, Part> = {
  starting: [' ↓', 'yellow'],
  ready: ['', null],
  busy: [' ▶', 'green'],
  stopping: [' ↑', 'dim'],
  quarantined: [' !', 'red'],
}

/** Lines of at most `width` cells. */
export function renderProgress(state: ProgressState, view: ProgressView): string[] {
  const paint: Paint = (text, colour) => (view.color && text ? `\x1b[${ansi[colour]}m${text}\x1b[0m` : text)
  const names = [...state.steps.map(({ name }) => name), ...state.devices.map(({ id }) => id)]
  const nameCells = Math.max(
    3,
    Math.min(24, Math.floor(view.width / 4), ...[Math.max(0, ...names.map(nameWidth))]),
  )
  const barCells = Math.max(0, Math.min(28, Math.floor((view.width - nameCells) / 3) - 4))
  const shape = { nameCells, barCells: barCells < 5 ? 0 : barCells, width: view.width }
  const roomForSteps = Math.max(1, (view.height ?? Number.POSITIVE_INFINITY) - state.devices.length - 1)
  return [
    ...stepLines(state.steps, roomForSteps, shape, paint),
    ...state.devices.map((device) => deviceLine(device, shape, paint)),
    paint(fit(timeText(state), view.width), 'dim'),
  ]
}

/** The same in one line, for logs. */
export function progressText(state: ProgressState): string {
  const sum = (key: 'done' | 'failed' | 'skipped' | 'total') =>
    state.steps.reduce((total, each) => total + each[key], 0)
  const ended = sum('done') + sum('failed') + sum('skipped')
  const failed = sum('failed') > 0 ? `, ${sum('failed')} failed` : ''
  const devices = state.devices.map((device) => {
    const models = device.instances.map(({ modelId, state: phase }) => plain(modelId) + marks[phase][0])
    return [`${plain(device.id)} ${memoryText(device)}`.trim(), models.join(', ')].filter(Boolean).join(': ')
  })
  return [timeText(state), `${ended} of ${sum('total')} items ended${failed}`, ...devices].join('; ')
}

interface Shape {
  nameCells: number
  /** 0: the terminal is too narrow for bars. */
  barCells: number
  width: number
}

/** Where lines are short, steps that have ended give way first, then those that have not begun. */
function stepLines(steps: readonly StepProgress[], room: number, shape: Shape, paint: Paint): string[] {
  if (steps.length <= room) return steps.map((step) => stepLine(step, shape, paint))
  const isRunning = (step: StepProgress) => endedCount(step) > 0 && endedCount(step) < step.total
  const urgency = (step: StepProgress) => (isRunning(step) ? 0 : endedCount(step) < step.total ? 1 : 2)
  const shown = new Set([...steps].sort((a, b) => urgency(a) - urgency(b)).slice(0, room - 1))
  const rest = `${steps.length - shown.size} more steps`
  return [
    ...steps.filter((step) => shown.has(step)).map((step) => stepLine(step, shape, paint)),
    paint(fit(rest, shape.width), 'dim'),
  ]
}

function stepLine(step: StepProgress, { nameCells, barCells, width }: Shape, paint: Paint): string {
  const { failed, skipped, total, ratePerSecond } = step
  const parts: Part[] = [
    [pad(fit(plain(step.name), nameCells), nameCells), null],
    ['  ', null],
    ...progressBar(step, barCells),
    [pad(`${endedCount(step)}/${total}`, 9, 'right'), null],
    [failed > 0 ? `  ${failed} failed` : '', 'red'],
    [skipped > 0 ? `  ${skipped} skipped` : '', 'dim'],
    [ratePerSecond && endedCount(step) < total ? `  ${formatRate(ratePerSecond)}` : '', 'dim'],
  ]
  return joined(parts, width, paint)
}

/** Done, failed, skipped and open, in their colours. */
function progressBar({ done, failed, skipped, total }: StepProgress, cells: number): Part[] {
  let endedSoFar = 0
  let cellsSoFar = 0
  const part = (count: number, colour: Colour): Part => {
    endedSoFar += count
    const end = total > 0 ? Math.min(cells, Math.floor((endedSoFar / total) * cells)) : 0
    const text = '━'.repeat(Math.max(0, end - cellsSoFar))
    cellsSoFar = Math.max(cellsSoFar, end)
    return [text, colour]
  }
  const ended = [part(done, 'green'), part(failed, 'red'), part(skipped, 'dim')]
  return [...ended, ['─'.repeat(cells - cellsSoFar), 'dim']]
}

function deviceLine(device: DeviceProgress, { nameCells, barCells, width }: Shape, paint: Paint): string {
  const { budgetBytes, bookedBytes } = device
  const isOver = bookedBytes > budgetBytes
  const filled = budgetBytes > 0 ? Math.min(1, bookedBytes / budgetBytes) : 0
  const barFilled = Math.round(filled * Math.max(0, barCells - 1))
  const hasBar = budgetBytes > 0 && barCells > 0
  const parts: Part[] = [
    [pad(fit(plain(device.id), nameCells), nameCells), null],
    ['  ', null],
    [hasBar ? '━'.repeat(barFilled) : '', isOver ? 'red' : 'cyan'],
    [hasBar ? '─'.repeat(barCells - 1 - barFilled) : '', 'dim'],
    [hasBar ? '┃  ' : '', 'red'],
    [budgetBytes > 0 ? `${memoryText(device)}  ` : '', isOver ? 'red' : null],
  ]
  const used = parts.reduce((sum, [text]) => sum + cellCount(text), 0)
  return joined([...parts, ...instanceChips(device, width - used)], width, paint)
}

/** `[ocr 780 MB ▶] [rate 310 MB]`; without sizes where they do not fit. */
function instanceChips({ instances }: DeviceProgress, room: number): Part[] {
  const chips = (hasSizes: boolean) =>
    instances.map(({ modelId, bytes, state }): Part => {
      const [mark, colour] = marks[state]
      return [`[${plain(modelId)}${hasSizes && bytes > 0 ? ` ${formatBytes(bytes)}` : ''}${mark}] `, colour]
    })
  const whole = chips(true)
  const isRoomy = whole.reduce((sum, [text]) => sum + cellCount(text), 0) - 1 <= room
  return isRoomy ? whole : chips(false)
}

/** `1.05 of 1.08 GB`, `780 MB of 1.08 GB`. */
function memoryText({ budgetBytes, bookedBytes }: DeviceProgress): string {
  if (budgetBytes === 0) return ''
  const [booked, unit] = formatBytes(bookedBytes).split(' ')
  const budget = formatBytes(budgetBytes)
  return budget.endsWith(` ${unit}`) ? `${booked} of ${budget}` : `${booked} ${unit} of ${budget}`
}

function timeText({ elapsedMs, etaMs, steps }: ProgressState): string {
  const isOver = steps.every((step) => endedCount(step) >= step.total)
  const left = isOver
    ? ''
    : etaMs === null
      ? ', time left not known yet'
      : `, about ${formatMs(wholeSeconds(etaMs))} left`
  return formatMs(wholeSeconds(elapsedMs)) + left
}

function wholeSeconds(ms: number): number {
  return ms < 1000 ? ms : Math.round(ms / 1000) * 1000
}

function endedCount({ done, failed, skipped }: StepProgress): number {
  return done + failed + skipped
}

/** `12/s`, `2.4/s`, `14/min`. */
function formatRate(perSecond: number): string {
  if (perSecond >= 10) return `${Math.round(perSecond)}/s`
  return perSecond >= 1 ? `${perSecond.toFixed(1)}/s` : `${Math.max(1, Math.round(perSecond * 60))}/min`
}

function nameWidth(name: string): number {
  return cellCount(plain(name))
}

/** Painted parts in a row, cut where the line ends. */
function joined(parts: readonly Part[], width: number, paint: Paint): string {
  let line = ''
  let room = width
  for (const [text, colour] of parts) {
    const short = fit(text.slice(0, 4 * width), room)
    line += colour ? paint(short, colour) : short
    room -= cellCount(short)
    if (short !== text) break
  }
  return line
}
