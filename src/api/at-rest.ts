// The host that a database at rest is: its rows, and beside them the journal and the profiles of its last
// run. It also reads beside a run that does not answer. Code that one use case alone needs is loaded when
// that use case is asked.
import { existsSync } from 'node:fs'
import { hasEnded } from '../core/work/item.ts'
import type { Pipeline } from '../pipelines/pipeline.ts'
import type { RunFiles } from '../record/files.ts'
import type { StoreReader } from '../stores/store.ts'
import { type Host, type OwnerHost, shapesFor } from './host.ts'

/** `pipeline`: null where only the database is known. */
export interface AtRest {
  files: RunFiles
  pipeline: Pipeline | null
}

/** Reads, also beside an owner; a database that is not there yet is empty. Throws STORE_CORRUPT,
 * STORE_FAILED. */
export async function readAtRest<T>(at: AtRest, work: (host: Host) => Promise<T>): Promise<T> {
  const store = await openReader(at.files.database)
  return work(hostOver(store, at)).finally(() => store.close())
}

/** Changes, as the owner of the database. Throws STORE_LOCKED where a run has it, STORE_CORRUPT, STORE_FULL,
 * STORE_FAILED. */
export async function changeAtRest<T>(at: AtRest, work: (host: OwnerHost) => Promise<T>): Promise<T> {
  const { openSqliteStore } = await import('../stores/sqlite/store.ts')
  const { machineClock, startClock } = await import('../daemon/clock.ts')
  const { Jobs } = await import('../daemon/jobs.ts')
  const store = await openSqliteStore({ file: at.files.database })
  try {
    const clock = startClock(machineClock, await store.latestAtMs())
    return await work({ ...hostOver(store, at), jobs: new Jobs({ store, clock, onChange: () => {} }) })
  } finally {
    await store.close()
  }
}

async function openReader(database: string): Promise<StoreReader> {
  if (!existsSync(database)) return (await import('../stores/memory.ts')).openMemoryStore()
  const { openSqliteReader } = await import('../stores/sqlite/open-reader.ts')
  return openSqliteReader(database)
}

function hostOver(store: StoreReader, { files, pipeline }: AtRest): Host {
  const lastRun = async () => (await import('../record/last-run.ts')).readLastRun(files)
  return {
    files,
    pipeline,
    store,
    lastRun,
    async profiles() {
      if (pipeline === null) return []
      return (await import('../record/profiles.ts')).readProfiles(files.profiles, pipeline)
    },
    async measured() {
      const { readJournal } = await import('../record/journal.ts')
      return (await import('../record/measured.ts')).measureModels(readJournal(files.journal))
    },
    async restMs(stats) {
      if (stats.groups.every(({ state }) => hasEnded(state))) return null
      const last = await lastRun()
      if (last === null) return null
      const { forecastRest } = await import('../forecast/rest.ts')
      const { state, nowMs, isRunning } = last
      return forecastRest(store, state, shapesFor(pipeline, stats), nowMs, { isRunning })
    },
  }
}
