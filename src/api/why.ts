// Why an item waits: from the store (what it depends on) and from the scheduler's state, by the code that
// decides; and when it starts, by a simulation of what is left.
import { type WaitingItem, whyWaiting } from '../core/explain/explain.ts'
import { hasEnded, type StoredItem } from '../core/work/item.ts'
import { forecastStart } from '../forecast/rest.ts'
import { type Host, shapesFor } from './host.ts'
import { findItem } from './item.ts'
import type { Answer, Input } from './schemas/why.ts'
import type { ReadingUseCase } from './use-case.ts'

export const why: ReadingUseCase<Input, Answer> = {
  name: 'why',
  description: 'Why an item waits, and when it starts.',
  schemas: () => import('./schemas/why.ts'),
  effect: 'reads',
  async answerOf(host, { id }) {
    const item = await findItem(host.store, id)
    return { id: item.id, state: item.state, ...(await explain(host, item)) }
  },
}

async function explain(host: Host, item: StoredItem): Promise<Pick<Answer, 'reasons' | 'startsInMs'>> {
  const { store, pipeline } = host
  if (hasEnded(item.state))
    return { reasons: [item.error?.message ?? `It does not wait: it is ${item.state}.`], startsInMs: null }
  const last = await host.lastRun()
  const waiting: WaitingItem = { ...item, openDependencies: await openDependencies(host, item) }
  if (!last?.isRunning) return { reasons: whyNoRun(waiting), startsInMs: null }
  const { state, nowMs } = last
  const reasons = whyWaiting(state, waiting, Math.max(nowMs, item.readyAtMs ?? 0))
  if (item.state === 'leased') return { reasons, startsInMs: null }
  const shapes = shapesFor(pipeline, await store.stats())
  return { reasons, startsInMs: await forecastStart(store, state, shapes, nowMs, item.id) }
}

async function openDependencies(
  { store }: Host,
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
