// `plimsoll status`: how far a run is, also while it runs: items by step and state, and how long the rest takes.
import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { formatMs } from '../core/units.ts'
import { type ItemState, itemStates } from '../core/work-item.ts'
import { readRecord } from '../daemon/record.ts'
import { replay } from '../daemon/replay.ts'
import type { StoreStats } from '../stores/store.ts'
import { forecastRest } from './eta.ts'
import { databaseCommand, print, printJson, printTable, type Reader, readDatabase } from './output.ts'
import type { StepShape } from './plan-workload.ts'

/** A record without a line for so long is of a run that is not on, ms; a run reads its devices every half second. */
const quietMs = 5000

interface Rest {
  isRunning: boolean
  /** null: nothing is left, or nothing is known. */
  etaMs: number | null
}

export function statusCommand(): Command {
  return databaseCommand('status', 'show how far a run is, by step').action(
    async ({ db, json }: { db?: string; json?: boolean }) => {
      const { stats, database, rest } = await readDatabase(db, async (store, files) => {
        const counted = await store.stats()
        return { stats: counted, database: files.database, rest: await restOf(store, counted, files.record) }
      })
      if (json) return printJson({ database, ...stats, ...rest })
      const states = itemStates.filter((state) => stats.groups.some((group) => group.state === state))
      const rows = [...byStep(stats)].map(([step, counts]) => [
        step,
        ...states.map((state) => String(counts.get(state) ?? '')),
      ])
      printTable({ title: database, columns: ['step', ...states], rows })
      if (rest.etaMs === null) return
      const left = `about ${formatMs(rest.etaMs)}`
      print(rest.isRunning ? `${left} left` : `not running; ${left} of work are left`)
    },
  )
}

async function restOf(store: Reader, stats: StoreStats, record: string): Promise<Rest> {
  const last = existsSync(record) ? replay(readRecord(record)) : null
  if (!last) return { isRunning: false, etaMs: null }
  const nowMs = Date.now()
  const isRunning = nowMs - last.lastAtMs < quietMs
  return { isRunning, etaMs: await forecastRest(store, last.state, shapesIn(stats), nowMs, isRunning) }
}

/** As far as counts tell: a step that was skipped for half of its records will be for half of the rest. */
function shapesIn(stats: StoreStats): Map<string, StepShape> {
  const shapes = [...byStep(stats)].map(([step, counts]): [string, StepShape] => {
    const done = counts.get('done') ?? 0
    const ended = done + (counts.get('skipped') ?? 0)
    return [step, { runRatio: ended > 0 ? done / ended : 1, partCount: 1 }]
  })
  return new Map(shapes)
}

/** Step, or `model (parts)` for what fan-out made, to state to count. */
function byStep({ groups }: StoreStats): Map<string, Map<ItemState, number>> {
  const steps = new Map<string, Map<ItemState, number>>()
  for (const { step, modelId, state, count } of groups) {
    const name = step ?? `${modelId} (parts)`
    const counts = steps.get(name) ?? new Map<ItemState, number>()
    counts.set(state, (counts.get(state) ?? 0) + count)
    steps.set(name, counts)
  }
  return steps
}
