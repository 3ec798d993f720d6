// `plimsoll run PIPELINE [INPUTS…]`: starts or continues a run, shows its progress, and ends with the
// results, the figures and the picture. Ctrl-C lets running batches finish and stops; a second Ctrl-C stops
// at once. In both cases, as after kill -9, the same command goes on where it was.
import { writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Command } from 'commander'
import type { OwnerHost } from '../../api/host.ts'
import { type ProgressState, progressOf } from '../../api/progress.ts'
import { runningHost } from '../../api/running.ts'
import type { Answer } from '../../api/schemas/run.ts'
import { formatUnproven, type Unproven, unprovenOf } from '../../api/unproven.ts'
import type { State } from '../../core/state/state.ts'
import { formatBytes, formatMs } from '../../core/units.ts'
import { hasEnded, itemStates } from '../../core/work/item.ts'
import type { Clock } from '../../daemon/clock.ts'
import { type Run, startRun } from '../../daemon/run.ts'
import { formatLate, type LateStep, lateSteps, openItems } from '../../forecast/late-steps.ts'
import type { ListeningSocket } from '../../http/socket.ts'
import { type Pipeline, readPipeline } from '../../pipelines/pipeline.ts'
import { gatherReport, writeResults } from '../../pipelines/report.ts'
import { readsStdin } from '../../pipelines/sources.ts'
import { databaseOf, type RunFiles, runFiles } from '../../record/files.ts'
import { readJournal } from '../../record/journal.ts'
import { formatKnownSince, type RunSummary, summarizeRun } from '../../record/summary.ts'
import { allItems, type StoredItem } from '../../stores/store.ts'
import { drawTimeline } from '../../timeline/timeline.ts'
import { printable } from '../cells.ts'
import { repeated } from '../options.ts'
import { assertWritable, counted, print, printJson, printTable } from '../output.ts'
import { TerminalPainter } from '../progress.ts'
import { withOptions } from '../run-options.ts'
import { goOnWithoutReader } from '../streams.ts'

interface Options {
  gpu?: string[]
  db?: string
  out?: string
  set?: string[]
  json?: boolean
}

/** bin/plimsoll says so: Node sets a signal that was ignored when it was started back to its default. */
const ignoresHangUp = process.env.PLIMSOLL_IGNORES_HUP === '1'
delete process.env.PLIMSOLL_IGNORES_HUP // the workers of this run have nothing to do with it

const paintMs = 250
const plainMs = 10_000

export function runCommand(command: Command): void {
  command
    .addOption(
      repeated(
        '--gpu <size>',
        "memory of the device instead of the pipeline's, such as 1.2GB or 2x1.2GB; again for each further one; auto: every GPU that is found",
      ),
    )
    .option('--db <file>', 'database (default: .plimsoll/<name>.db beside the pipeline)')
    .option('--out <file>', 'results as JSON lines (default: beside the database)')
    .addOption(repeated('--set <policy.key=value>', 'a policy option, such as policy.maxWait=60s'))
    .option('--json', 'answer in JSON; progress is not shown')
    .action(run)
}

async function run(file: string, inputs: string[], options: Options): Promise<void> {
  goOnWithoutReader()
  const pipeline = withOptions(readPipeline(file), options)
  const files = runFiles(options.db ?? databaseOf(pipeline.folder, pipeline.name))
  const results = options.out ?? files.results
  if (options.out !== undefined) assertWritable(options.out, '--out')
  const stdin = readsStdin(pipeline) ? await text(process.stdin) : ''
  const current = await startRun({ pipeline, files, inputs, stdin })
  let screen: Screen | null = null
  let socket: ListeningSocket | null = null
  let stopListening = () => {}
  let failure: unknown = null
  let late: LateStep[] = []
  let unproven: Unproven[] = []
  const note = (text: string) => (screen ? screen.note(text) : process.stderr.write(`${printable(text)}\n`))
  // From here on the daemon runs: whatever goes wrong, it is closed.
  try {
    stopListening = listen(current, note)
    if (!options.json) print(greeting(pipeline, current))
    const host = runningHost(current)
    if (!options.json) screen = show(() => progressOf(host, current.startedAtMs), current.clock)
    socket = await openSocket(host, note)
    late = await findLate(pipeline, current)
    for (const each of late) note(formatLate(each))
    await current.finished
  } catch (error) {
    failure = error
  }
  try {
    stopListening()
    await socket?.close()
    unproven = await closeDaemon(current)
    await screen?.stop()
    for (const each of unproven) note(formatUnproven(each))
    current.journal.flush()
    if (failure !== null) throw failure
    await report(current, {
      ...{ pipeline, files, results, unproven },
      infeasibleDeadlines: late,
      json: options.json,
    })
  } finally {
    await current.close()
    // The daemon gives up nobody: it would wait for such a process for ever.
    if (unproven.length > 0) setImmediate(() => process.exit())
  }
}

/** null: others read the database instead. */
async function openSocket(host: OwnerHost, note: (text: string) => void): Promise<ListeningSocket | null> {
  const { listenOnSocket } = await import('../../http/socket.ts')
  return listenOnSocket(host).catch((error: Error) => {
    note(`This run cannot be asked while it is on, only its database: ${error.message}.`)
    return null
  })
}

async function closeDaemon({ daemon }: Run): Promise<Unproven[]> {
  return unprovenOf(daemon.state, await daemon.close())
}

/** Deadlines that cannot be met from here on. Items are read only where a step has one. */
async function findLate(pipeline: Pipeline, current: Run): Promise<LateStep[]> {
  if ([...pipeline.steps.values()].every(({ deadlineMs }) => deadlineMs === null)) return []
  const items = openItems(pipeline, await currentItems(current))
  return lateSteps(current.daemon.state, items, current.clock.nowMs())
}

function modelsOf({ models }: State): string {
  const sized = models.filter(({ model }) => model.isSized)
  const bytes = sized.reduce((sum, { model }) => sum + model.vramBytes, 0)
  const unsizedCount = models.length - sized.length
  const known = sized.length > 0 ? [`models of ${formatBytes(bytes)} together`] : []
  const unknown =
    unsizedCount > 0 ? [`${counted(unsizedCount, 'model')} whose size is yet to be measured`] : []
  return [...known, ...unknown].join(' and ')
}

function greeting(pipeline: Pipeline, { items, addedCount, reapedCount, leftovers, daemon }: Run): string {
  const budgets = daemon.state.devices.filter(({ budgetBytes }) => budgetBytes > 0)
  const line = budgets.map(({ id, budgetBytes }) => `${id} up to ${formatBytes(budgetBytes)}`).join(', ')
  const known = items.length - addedCount
  const fansOut = [...pipeline.steps.values()].some(({ forEach }) => forEach !== null)
  return [
    `${pipeline.name}: ${counted(items.length, 'item')}${fansOut ? ' and what its fan-outs make' : ''}${known > 0 ? `, ${known} of them known from before` : ''}; ${modelsOf(daemon.state)}; ${line}`,
    ...(reapedCount > 0
      ? [
          `${reapedCount} processes of an earlier run were still there and have been stopped${leftovers.length > 0 ? `, but ${leftovers.join(' and ')} cannot be; its memory counts as foreign use` : ''}.`,
        ]
      : []),
  ].join('\n')
}

interface Screen {
  note: (text: string) => void
  stop: () => Promise<void>
}

/** Paints progress on a terminal, or writes a line now and then. */
function show(progress: () => Promise<ProgressState>, clock: Clock): Screen {
  const painter = new TerminalPainter(process.stderr)
  let isOver = false
  const paint = async () => {
    const startedAtMs = clock.nowMs()
    painter.paint(await progress())
    return Math.max(process.stderr.isTTY ? paintMs : plainMs, 20 * (clock.nowMs() - startedAtMs))
  }
  let wake = () => {}
  const loop = async () => {
    while (!isOver) {
      const pauseMs = await paint()
      if (isOver) break
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, pauseMs)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    await paint()
  }
  // A store that fails ends the run by itself; what only shows it must not.
  const shown = loop().catch((error: Error) => painter.note(`Progress is no longer shown: ${error.message}`))
  const stop = async () => {
    isOver = true
    wake()
    await shown
    painter.end()
  }
  return { note: (text) => painter.note(text), stop }
}

/** First signal: drain. Second: stop now. A terminal that closes is one too, unless `nohup` has said that it
 * is none. */
function listen(current: Run, note: (text: string) => void): () => void {
  let count = 0
  const onSignal = () => {
    count++
    if (count > 1) return void stopNow(current, note)
    note('Finishing what runs; the same command continues later. Again to stop at once.')
    current.daemon.drain()
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const onHangUp = ignoresHangUp ? () => {} : onSignal
  for (const signal of signals) process.on(signal, signal === 'SIGHUP' ? onHangUp : onSignal)
  return () => {
    for (const signal of signals) process.off(signal, signal === 'SIGHUP' ? onHangUp : onSignal)
  }
}

async function stopNow(current: Run, note: (text: string) => void): Promise<never> {
  for (const each of await closeDaemon(current)) note(formatUnproven(each))
  process.exit(1)
}

interface Reported extends Pick<Options, 'json'> {
  pipeline: Pipeline
  files: RunFiles
  results: string
  infeasibleDeadlines: LateStep[]
  unproven: Unproven[]
}

async function report(current: Run, about: Reported): Promise<void> {
  const { pipeline, files, results, infeasibleDeadlines, unproven, json } = about
  const items = await currentItems(current)
  writeResults(results, pipeline, items)
  writeFileSync(files.timeline, drawTimeline(readJournal(files.journal)))
  const summary = summarizeRun(readJournal(files.journal))
  const failed = items.filter(({ state }) => state === 'failed')
  const openCount = items.filter(({ state }) => !hasEnded(state)).length
  process.exitCode = failed.length > 0 || openCount > 0 ? 1 : 0
  if (json)
    return printJson({
      ...summary,
      itemCount: items.length,
      failedCount: failed.length,
      openCount,
      reapedCount: current.reapedCount,
      leftovers: current.leftovers,
      infeasibleDeadlines,
      unproven,
      results,
      timeline: files.timeline,
      database: files.database,
    } satisfies Answer)
  for (const table of gatherReport(pipeline, items)) printTable(table)
  for (const { id, error } of failed.slice(0, 10)) print(`failed  ${id}: ${error?.message ?? 'no reason'}`)
  if (failed.length > 10) print(`        and ${failed.length - 10} more: plimsoll items --state failed`)
  if (failed.length > 0)
    print(
      `        what each worker printed: ${here(files.logs)}; again with: plimsoll retry --db ${here(files.database)}`,
    )
  print(states(items))
  print(figures(summary))
  const since = formatKnownSince(summary)
  if (since !== null) print(since)
  print(`timeline  ${here(files.timeline)}\nresults   ${here(results)}`)
  if (current.journal.fault) print(`The journal is not complete: ${current.journal.fault}`)
  if (openCount > 0) print(`${openCount} items are left; the same command continues.`)
}

/** The items of this pipeline as it is now, and the children that fan-out made of them. */
async function currentItems({ store, items }: Run): Promise<StoredItem[]> {
  const ids = new Set(items.map(({ id }) => id))
  return (await allItems(store)).filter(
    ({ id, parentId }) => ids.has(id) || (parentId !== null && ids.has(parentId)),
  )
}

/** `16 items: 12 done, 3 skipped, 1 failed`. */
function states(items: readonly StoredItem[]): string {
  const counts = itemStates.map(
    (state) => [items.filter((each) => each.state === state).length, state] as const,
  )
  const texts = counts.filter(([count]) => count > 0).map(([count, state]) => `${count} ${state}`)
  return `${counted(items.length, 'item')}: ${texts.join(', ')}`
}

function figures({
  items,
  batches,
  loads,
  evictions,
  peakBookedBytes,
  peakMeasuredBytes,
  budgetBytes,
  wallMs,
  computeMs,
  loadMs,
}: RunSummary): string {
  const measured = peakMeasuredBytes > 0 ? `, ${formatBytes(peakMeasuredBytes)} measured` : ''
  return [
    `${counted(items, 'run of an item', 'runs of items')} in ${counted(batches, 'batch', 'batches')}, ${counted(loads, 'load')}, ${counted(evictions, 'eviction')}`,
    `peak memory ${formatBytes(peakBookedBytes)} booked${measured}, line ${formatBytes(budgetBytes)}`,
    `wall ${formatMs(wallMs)}, compute ${formatMs(computeMs)}, loads ${formatMs(loadMs)}`,
  ].join('\n')
}

function here(path: string): string {
  return relative(process.cwd(), path) || path
}
