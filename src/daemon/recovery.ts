// How a daemon comes up on a store that an earlier one may have left at any moment. In this order, so that
// kill -9 between any two lines is mended by the next start:
//
//  (1) The store's lock: one daemon for each database.
//  (2) Processes that the last one left are stopped and proven gone, before any memory is promised.
//  (3) Time begins, no earlier than the latest moment in the store, and leased items go back to the front of
//      their queues.
//  (4) What is to be done is submitted (jobs.ts): known items change nothing.
//  (5) The daemon starts.
//
// This file has (1) to (3), run.ts the rest. The parts are arguments: open.ts brings SQLite and processes,
// test/dst/ a store that fails and processes that linger.
import type { Store } from '../stores/store.ts'
import { type Clock, type MachineClock, startClock } from './clock.ts'

export interface RecoveryParts<Leftovers> {
  openStore: () => Promise<Store>
  /** Resolves when no process of an earlier daemon is left that can be ended. */
  reapLeftovers: () => Promise<Leftovers>
  machine: MachineClock
}

export interface Recovered<Leftovers> {
  store: Store
  clock: Clock
  reaped: Leftovers
}

/** Throws what the parts throw; then the store is closed. */
export async function recover<Leftovers>(parts: RecoveryParts<Leftovers>): Promise<Recovered<Leftovers>> {
  const store = await parts.openStore() // (1)
  try {
    const reaped = await parts.reapLeftovers() // (2)
    const clock = startClock(parts.machine, await store.latestAtMs()) // (3)
    await store.releaseAll(clock.nowMs())
    return { store, clock, reaped }
  } catch (error) {
    await store.close()
    throw error
  }
}
