// `plimsoll why ITEM`: why an item waits, from the store (its dependencies) and from the run's record, played back through
// the same code that decides; and when it starts, by a simulation of what is left. Works beside a run and after one.
import type { Command } from 'commander'
import { type WaitingItem, whyWaiting } from '../core/explain/explain.ts'
import { formatMs } from '../core/units.ts'
import { hasEnded } from '../core/work/item.ts'
import { countedShapes } from '../forecast/plan-workload.ts'
import { forecastStart } from '../forecast/rest.ts'
import type { RunFiles } from '../record/files.ts'
import { readLastRun } from '../record/last-run.ts'
import type { StoredItem } from '../stores/store.ts'
import { findItem } from './items.ts'
import { databaseCommand, print, printJson, type Reader, readDatabase } from './output.ts'

interface Answer {
  reasons: string[]
  /** From now, ms; null: it does not wait, or that cannot be foreseen. */
  startsInMs: number | null
}

export function whyCommand(): Command {
  return databaseCommand('why', 'say why an item waits, and when it starts')
    .argument('<item>', 'id, or the beginning of one')
    .action(async (id: string, { db, json }: { db?: string; json?: boolean }) => {
      const { item, reasons, startsInMs } = await readDatabase(db, async (store, files) => {
        const found = await findItem(store, id)
        return { item: found, ...(await explain(store, found, files)) }
      })
      if (json) return printJson({ id: item.id, state: item.state, reasons, startsInMs })
      print(`${item.id} is ${item.state}.`)
      for (const reason of reasons) print(`- ${reason}`)
      if (startsInMs === null) return
      const soon = startsInMs < 1000 ? 'within a second' : `in about ${formatMs(startsInMs)}`
      print(`- By a simulation of what is left it starts ${soon}.`)
    })
}

async function explain(store: Reader, item: StoredItem, files: RunFiles): Promise<Answer> {
  if (hasEnded(item.state))
    return { reasons: [item.error?.message ?? `It does not wait: it is ${item.state}.`], startsInMs: null }
  const last = readLastRun(files)
  const waiting: WaitingItem = { ...item, openDependencies: await openDependencies(store, item) }
  if (!last?.isRunning) return { reasons: whyNoRun(waiting), startsInMs: null }
  const { state, nowMs } = last
  const reasons = whyWaiting(state, waiting, Math.max(nowMs, item.readyAtMs ?? 0))
  if (item.state === 'leased') return { reasons, startsInMs: null }
  const shapes = countedShapes(await store.stats())
  return { reasons, startsInMs: await forecastStart(store, state, shapes, nowMs, item.id) }
}

async function openDependencies(
  store: Reader,
  { dependencies }: StoredItem,
): Promise<WaitingItem['openDependencies']> {
  const parents = await Promise.all(dependencies.map((dependency) => store.get(dependency.id)))
  return parents.flatMap((parent) =>
    parent === null || hasEnded(parent.state)
      ? []
      : [{ id: parent.id, modelId: parent.modelId, state: parent.state }],
  )
}

/** Nobody runs anything: what the last run knew no longer holds. */
function whyNoRun({ state, openDependencies }: WaitingItem): string[] {
  const isCutOff = state === 'leased'
  const before = openDependencies.length
  return [
    ...(isCutOff ? ['It was running when its run was killed; the next run starts it again.'] : []),
    ...(before > 0
      ? [`It waits for ${before} other ${before > 1 ? 'items' : 'item'}: ${namesOf(openDependencies)}.`]
      : []),
    'No run of this database is on; `plimsoll run PIPELINE` starts or continues it.',
  ]
}

function namesOf(items: WaitingItem['openDependencies']): string {
  const names = items.slice(0, 5).map(({ id, modelId }) => `"${id}" of ${modelId}`)
  return items.length > 5 ? `${names.join(', ')}, …` : names.join(', ')
}
