// `plimsoll status`: how far a run is, also while it runs: items by step and state.
import type { Command } from 'commander'
import { type ItemState, itemStates } from '../core/work-item.ts'
import type { StoreStats } from '../stores/store.ts'
import { databaseCommand, printJson, printTable, readDatabase } from './output.ts'

export function statusCommand(): Command {
  return databaseCommand('status', 'show how far a run is, by step').action(
    async ({ db, json }: { db?: string; json?: boolean }) => {
      const { stats, files } = await readDatabase(db, async (store, files) => ({
        stats: await store.stats(),
        files,
      }))
      if (json) return printJson({ database: files.database, ...stats })
      const states = itemStates.filter((state) => stats.groups.some((group) => group.state === state))
      const rows = [...byStep(stats)].map(([step, counts]) => [
        step,
        ...states.map((state) => String(counts.get(state) ?? '')),
      ])
      printTable({ title: files.database, columns: ['step', ...states], rows })
    },
  )
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
