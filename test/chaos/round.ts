// One round: a project of a seed, the real command line on it with real processes,
// faults for some time, and then the same command until all has ended; what failed for
// a fault is tried again without any. At last everything is checked.
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { runFiles } from '../../src/record/files.ts'
import { readJournal } from '../../src/record/journal.ts'
import { openSqliteReader } from '../../src/stores/sqlite/store.ts'
import { allItems } from '../../src/stores/store.ts'
import { Agent, type FaultCounts, type FaultKind } from './agent.ts'
import { doubledItems, type ItemFacts, lostItems } from './item-checks.ts'
import { Machine } from './machine.ts'
import { checkMemory, type MemoryFacts } from './memory-checks.ts'
import type { Execution } from './model.ts'
import type { Sample } from './observer.ts'
import { type ChaosProject, createProject, type ProjectSize } from './project.ts'
import { Sight } from './sight.ts'

export interface RoundOptions extends ProjectSize {
  seed: number
  counts: FaultCounts
  /** Faults come in the first so many ms. */
  faultsMs: number
  /** The round must have ended after so many ms. */
  limitMs: number
}

export interface RoundReport {
  seed: number
  lineBytes: number
  itemCount: number
  faults: Record<FaultKind, number>
  /** Of items, as the workers noted them. */
  acts: number
  starts: number
  failedForAFault: number
  lost: string[]
  doubled: string[]
  memory: MemoryFacts
  left: string[]
  /** Anything else that is not as it should be. */
  wrong: string[]
  tookMs: number
  /** Kept if something is broken; null: removed. */
  folder: string | null
}

export async function runRound(options: RoundOptions): Promise<RoundReport> {
  const startedAtMs = performance.now()
  const { seed, counts, faultsMs, limitMs } = options
  const folder = mkdtempSync(join(tmpdir(), `plimsoll-chaos-${seed}-`))
  const round = `${seed}-${process.pid}-${Date.now()}`
  const project = createProject(seed, folder, options)
  const machine = await Machine.start(round, folder, project.capacityBytes)
  const scheduler = new Scheduler(machine, project, startedAtMs + limitMs)
  const target = { machine, project, scheduler: () => scheduler.child }
  const agent = new Agent({ seed, round, counts, forMs: faultsMs, ...target })
  agent.start()
  await scheduler.runToItsEnd()
  await agent.end()
  const afterFaults = await readFacts(project, agent.hitPids)
  const lost = lostItems(afterFaults.facts, true)
  const failedForAFault = afterFaults.facts.stored.filter(({ state }) => state === 'failed').length
  if (failedForAFault > 0) await retryFailed(scheduler, project)
  const left = new Sight(round).look().map(({ pid, model }) => `${pid} (${model ?? 'the scheduler'})`)
  await machine.end()

  const { facts, events } = await readFacts(project, agent.hitPids)
  if (failedForAFault > 0) lost.push(...lostItems(facts, false))
  const record = readJournal(runFiles(project.database).journal)
  return cleanUp(round, {
    seed,
    lineBytes: project.lineBytes,
    itemCount: project.items.size,
    faults: agent.done,
    acts: facts.executions.filter(({ act }) => act !== '').length,
    starts: scheduler.starts,
    failedForAFault,
    lost,
    doubled: doubledItems(facts, events),
    memory: checkMemory(project, record, readSamples(folder)),
    left,
    wrong: scheduler.wrong,
    tookMs: Math.round(performance.now() - startedAtMs),
    folder,
  })
}

async function retryFailed(scheduler: Scheduler, { database }: ChaosProject): Promise<void> {
  await scheduler.call('retry', '--db', database)
  await scheduler.runToItsEnd()
}

/** The folder of a round that went well is removed. */
function cleanUp(round: string, report: RoundReport & { folder: string }): RoundReport {
  for (const { pid } of new Sight(round).look()) process.kill(pid, 'SIGKILL') // ours, by the mark of this round
  if (brokenIn(report).length > 0) return report
  rmSync(report.folder, { recursive: true, force: true })
  return { ...report, folder: null }
}

/** Everything that is not as it must be, as sentences. */
export function brokenIn({ lost, doubled, memory, left, wrong }: RoundReport): string[] {
  return [
    ...lost.map((each) => `lost: ${each}`),
    ...doubled.map((each) => `doubled: ${each}`),
    ...memory.broken.map((each) => `memory: ${each}`),
    ...left.map((each) => `left: process ${each}`),
    ...wrong,
  ]
}

/** Whoever starts the command again after each kill. */
class Scheduler {
  child: ChildProcess | null = null
  starts = 0
  readonly wrong: string[] = []
  readonly #machine: Machine
  readonly #project: ChaosProject
  readonly #endsAtMs: number

  constructor(machine: Machine, project: ChaosProject, endsAtMs: number) {
    this.#machine = machine
    this.#project = project
    this.#endsAtMs = endsAtMs
  }

  /** Until the command ends by itself, or time is up. */
  async runToItsEnd(): Promise<void> {
    const { pipeline, database } = this.#project
    for (;;) {
      this.starts++
      const { code, signal } = await this.call('run', pipeline, '--db', database, '--json')
      if (signal !== 'SIGKILL' || this.#isLate()) return
      if (code !== null) return
    }
  }

  async call(...args: string[]): Promise<{ code: number | null; signal: string | null }> {
    const child = this.#machine.plimsoll(args)
    if (args[0] === 'run') this.child = child
    const timer = setTimeout(
      () => {
        this.wrong.push(`\`plimsoll ${args[0]}\` has not ended in time`)
        child.kill('SIGKILL')
      },
      Math.max(0, this.#endsAtMs - performance.now()),
    )
    const closed = once(child, 'close')
    const [errors] = await Promise.all([text(child.stderr!), text(child.stdout!)])
    const [code, signal] = (await closed) as [number | null, string | null]
    clearTimeout(timer)
    this.child = null
    const isExpected = signal === 'SIGKILL' || code === 0 || (args[0] === 'run' && code === 1)
    if (!isExpected || errors !== '')
      this.wrong.push(`\`plimsoll ${args[0]}\` ended with ${code ?? signal}: ${errors.slice(0, 500)}`)
    return { code, signal }
  }

  #isLate(): boolean {
    return performance.now() >= this.#endsAtMs
  }
}

async function readFacts(project: ChaosProject, hitPids: ReadonlySet<number>) {
  const { executions: file, database, items } = project
  const store = await openSqliteReader(database)
  try {
    const executions = existsSync(file) ? linesOf<Execution>(file) : []
    const facts: ItemFacts = { items, stored: await allItems(store), executions, hitPids }
    return { facts, events: await store.events(0, 1_000_000) }
  } finally {
    await store.close()
  }
}

function readSamples(folder: string): Sample[] {
  return linesOf<Sample>(join(folder, 'samples.jsonl'))
}

function linesOf<Line>(file: string): Line[] {
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.filter((line) => line.endsWith('}')).map((line) => JSON.parse(line) as Line)
}
