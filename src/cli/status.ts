// `plimsoll status`: how far a run is, also while it runs: items by step and state, how long the rest takes, and of a run that
// is on what its devices hold and what is not as it should be.
import type { Command } from 'commander'
import { deviceNotes, modelNotes } from '../core/explain/memory.ts'
import { bookedBytes, headroomBytes } from '../core/state/ledger.ts'
import { cpuDeviceId } from '../core/state/state.ts'
import { formatBytes, formatMs } from '../core/units.ts'
import { hasEnded, itemStates } from '../core/work/item.ts'
import { countedShapes, countsByStep } from '../forecast/plan-workload.ts'
import { forecastRest } from '../forecast/rest.ts'
import type { RunFiles } from '../record/files.ts'
import { type LastRun, readLastRun } from '../record/last-run.ts'
import type { StoreStats } from '../stores/store.ts'
import { databaseCommand, print, printJson, printTable, type Reader, readDatabase } from './output.ts'

interface Rest {
  isRunning: boolean
  /** null: nothing is left, or it cannot be foreseen. */
  etaMs: number | null
  /** Of a run that is on. */
  devices: DeviceFigures[]
  /** What is not as it should be, in sentences. */
  notes: string[]
}

interface DeviceFigures {
  id: string
  kind: string
  capacityBytes: number
  budgetBytes: number
  bookedBytes: number
  headroomBytes: number
  deficitBytes: number
  quarantinedBytes: number
  foreignBytes: number
  /** null: it is well. */
  fault: string | null
  instances: { id: string; modelId: string; phase: string; bytes: number; runningCount: number }[]
}

export function statusCommand(): Command {
  return databaseCommand('status', 'show how far a run is, by step, and what its devices hold').action(
    async ({ db, json }: { db?: string; json?: boolean }) => {
      const { stats, database, rest } = await readDatabase(db, async (store, files) => {
        const counted = await store.stats()
        return { stats: counted, database: files.database, rest: await restOf(store, counted, files) }
      })
      if (json) return printJson({ database, ...stats, ...rest })
      printSteps(database, stats)
      if (rest.devices.length > 0) printDevices(rest.devices)
      for (const note of rest.notes) print(note)
      print(restSentence(rest, stats))
    },
  )
}

function restSentence({ isRunning, etaMs }: Rest, { groups }: StoreStats): string {
  const isOver = groups.every(({ state }) => hasEnded(state))
  const about = etaMs === null ? null : `about ${formatMs(etaMs)}`
  if (isRunning)
    return about ? `${about} left` : isOver ? 'nothing is left' : 'how long the rest takes is not known'
  if (isOver) return 'not running; nothing is left'
  return `not running; ${about ? `${about} of work are left` : 'items are left'}, \`plimsoll run PIPELINE\` continues`
}

async function restOf(store: Reader, stats: StoreStats, files: RunFiles): Promise<Rest> {
  const last = readLastRun(files)
  if (!last) return { isRunning: false, etaMs: null, devices: [], notes: [] }
  const { state, isRunning, nowMs } = last
  const etaMs = await forecastRest(store, state, countedShapes(stats), nowMs, isRunning)
  return isRunning
    ? { isRunning, etaMs, devices: figuresOf(last), notes: notesOf(last) }
    : { isRunning, etaMs, devices: [], notes: [] }
}

/** What is not as it should be with the devices and models of a run, in sentences. */
export function notesOf({ state, nowMs }: LastRun): string[] {
  return [
    ...state.devices.flatMap((device) => deviceNotes(state, device, nowMs)),
    ...state.models.flatMap((model) => modelNotes(state, model, nowMs)),
  ]
}

function figuresOf({ state }: LastRun): DeviceFigures[] {
  return state.devices
    .filter(({ id }) => id !== cpuDeviceId)
    .map((device) => {
      const { id, kind, capacityBytes, budgetBytes, ledger, deficitBytes, foreignBytes, fault } = device
      return {
        id,
        kind,
        capacityBytes,
        budgetBytes,
        bookedBytes: bookedBytes(ledger),
        headroomBytes: headroomBytes(device),
        deficitBytes,
        quarantinedBytes: ledger.quarantinedBytes,
        foreignBytes,
        fault,
        instances: device.instances.map((each) => ({
          id: each.id,
          modelId: each.model.model.id,
          phase: each.phase,
          bytes: each.bytes,
          runningCount: each.runningCount,
        })),
      }
    })
}

function printSteps(database: string, stats: StoreStats): void {
  const states = itemStates.filter((state) => stats.groups.some((group) => group.state === state))
  const rows = [...countsByStep(stats)].map(([step, counts]) => [
    step,
    ...states.map((state) => String(counts.get(state) ?? '')),
  ])
  printTable({ title: database, columns: ['step', ...states], rows })
}

function printDevices(devices: readonly DeviceFigures[]): void {
  const rows = devices.map((each) => [
    each.id,
    formatBytes(each.budgetBytes),
    formatBytes(each.bookedBytes),
    formatBytes(each.deficitBytes),
    formatBytes(each.quarantinedBytes),
    formatBytes(each.foreignBytes),
    each.instances.map(({ modelId, bytes }) => `${modelId} ${formatBytes(bytes)}`).join(', '),
  ])
  printTable({
    title: 'Devices',
    columns: ['device', 'budget', 'booked', 'deficit', 'quarantined', 'foreign', 'holds'],
    rows,
  })
}
