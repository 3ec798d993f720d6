// How a run starts. In this order, so that kill -9 between any two lines is mended by the next start:
//  (1) The store's lock: one run for each database.
//  (2) Processes that the last run left are stopped and proven gone, before any memory is promised.
//  (3) Time begins, no earlier than the latest moment in the store, and leased items go back to the front of their queues.
//  (4) The pipeline's items are submitted; known ones change nothing. Waiting items that the pipeline, as it is now,
//      no longer has are cancelled as superseded, and come back when it has them again.
//  (5) The daemon starts.
// The parts are arguments: run.ts brings SQLite and processes, test/dst/ a store that fails and processes that linger.
import { admit } from '../core/decide/admission.ts'
import { hasEnded, type NewItem } from '../core/work/item.ts'
import { allItems, type Store, type StoredItem } from '../stores/store.ts'
import { type Clock, type MachineClock, startClock } from './clock.ts'
import type { Daemon } from './daemon.ts'

export interface RecoveryParts {
  openStore: () => Promise<Store>
  /** Resolves when no process of an earlier run is left; answers how many there were. */
  reapLeftovers: () => Promise<number>
  createDaemon: (store: Store, clock: Clock) => Daemon | Promise<Daemon>
  machine: MachineClock
  /** Items of the pipeline as it is now, without the children that fan-out makes. */
  items: readonly NewItem[]
  /** Called between (4) and (5). */
  onReady?: (daemon: Daemon, clock: Clock) => void
}

export interface Recovered {
  daemon: Daemon
  store: Store
  clock: Clock
  addedCount: number
  reapedCount: number
}

const superseded = { code: 'SUPERSEDED', message: 'the pipeline no longer has this item' }

/** Items handed to the store at once: bounds the time of a transaction. */
const submissionSize = 5000

/** Throws what the parts throw, NEVER_FITS and UNKNOWN_MODEL; then the store is closed. */
export async function recover(parts: RecoveryParts): Promise<Recovered> {
  const { openStore, reapLeftovers, createDaemon, machine, items, onReady } = parts
  const store = await openStore() // (1)
  try {
    const reapedCount = await reapLeftovers() // (2)
    const known = await allItems(store)
    const clock = startClock(machine, latestMs(known))
    const daemon = await createDaemon(store, clock)
    admit(
      daemon.state,
      items.map(({ modelId }) => modelId),
    )
    await store.releaseAll(clock.nowMs()) // (3)
    const addedCount = await submit(store, known, items, clock.nowMs()) // (4)
    onReady?.(daemon, clock)
    daemon.start() // (5)
    return { daemon, store, clock, addedCount, reapedCount }
  } catch (error) {
    await store.close()
    throw error
  }
}

function latestMs(known: readonly StoredItem[]): number {
  let latest = 0
  for (const { submittedAtMs, readyAtMs, startedAtMs, endedAtMs } of known)
    latest = Math.max(latest, submittedAtMs, readyAtMs ?? 0, startedAtMs ?? 0, endedAtMs ?? 0)
  return latest
}

/** Adds what is new, takes back what an earlier run cancelled as superseded, and cancels what no longer belongs. */
async function submit(
  store: Store,
  known: readonly StoredItem[],
  items: readonly NewItem[],
  nowMs: number,
): Promise<number> {
  const ids = new Set(items.map(({ id }) => id))
  const isOurs = ({ id, parentId }: StoredItem) => ids.has(id) || (parentId !== null && ids.has(parentId))
  const left = known.filter((item) => !hasEnded(item.state) && !isOurs(item))
  const back = known.filter(
    (item) => item.state === 'cancelled' && item.error?.code === superseded.code && isOurs(item),
  )
  if (left.length > 0)
    await store.cancel(
      left.map(({ id }) => id),
      nowMs,
      superseded,
    )
  if (back.length > 0)
    await store.retry(
      back.map(({ id }) => id),
      nowMs,
    )
  let addedCount = 0
  for (let from = 0; from < items.length; from += submissionSize) {
    addedCount += (await store.submit(items.slice(from, from + submissionSize), nowMs)).addedCount
  }
  return addedCount
}
