// How a run starts. In this order, so that kill -9 between any two lines is mended by the next start:
//  (1) The store's lock: one run for each database.
//  (2) Processes that the last run left are stopped and proven gone, before any memory is promised.
//  (3) Items that were leased go back to the front of their queues.
//  (4) The pipeline's items are submitted; known ones change nothing. Waiting items that the pipeline, as it is now,
//      no longer has are cancelled as superseded, and come back when it has them again.
//  (5) The daemon starts.
// The parts are arguments: run.ts brings SQLite and processes, test/dst/ a store that fails and processes that linger.
import { admit } from '../core/admission.ts'
import type { NewItem } from '../core/work-item.ts'
import { allItems, type Store, type StoredItem } from '../stores/store.ts'
import type { Clock } from './clock.ts'
import type { Daemon } from './daemon.ts'

export interface RecoveryParts {
  openStore: () => Promise<Store>
  /** Resolves when no process of an earlier run is left; answers how many there were. */
  reapLeftovers: () => Promise<number>
  createDaemon: (store: Store) => Daemon
  clock: Clock
  /** Items of the pipeline as it is now, without the children that fan-out makes. */
  items: readonly NewItem[]
  /** Called between (4) and (5). */
  onReady?: (daemon: Daemon) => void
}

export interface Recovered {
  daemon: Daemon
  store: Store
  addedCount: number
  reapedCount: number
}

const superseded = { code: 'SUPERSEDED', message: 'the pipeline no longer has this item' }

/** Items handed to the store at once: bounds the time of a transaction. */
const submissionSize = 5000

/** Throws what the parts throw, NEVER_FITS and UNKNOWN_MODEL; then the store is closed. */
export async function recover(parts: RecoveryParts): Promise<Recovered> {
  const { openStore, reapLeftovers, createDaemon, clock, items, onReady } = parts
  const store = await openStore() // (1)
  try {
    const reapedCount = await reapLeftovers() // (2)
    const daemon = createDaemon(store)
    admit(
      daemon.state,
      items.map(({ modelId }) => modelId),
    )
    await store.releaseAll(clock.nowMs()) // (3)
    const addedCount = await submit(store, items, clock.nowMs()) // (4)
    onReady?.(daemon)
    daemon.start() // (5)
    return { daemon, store, addedCount, reapedCount }
  } catch (error) {
    await store.close()
    throw error
  }
}

/** Adds what is new, takes back what an earlier run cancelled as superseded, and cancels what no longer belongs. */
async function submit(store: Store, items: readonly NewItem[], nowMs: number): Promise<number> {
  const ids = new Set(items.map(({ id }) => id))
  const current = await allItems(store)
  const isOurs = ({ id, parentId }: StoredItem) => ids.has(id) || (parentId !== null && ids.has(parentId))
  const left = current.filter(
    (item) => ['blocked', 'scheduled', 'ready'].includes(item.state) && !isOurs(item),
  )
  const back = current.filter(
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
