// The figures of a run, counted from its journal: what the end of `plimsoll run` prints. Work that a kill cut
// off is not counted; it was done again and is counted there. The start of a worker that needs no device
// memory is no load.

import { type DeviceHistory, type RunHistory, readHistory } from './history.ts'
import type { JournalLine } from './journal.ts'

export interface RunFigures {
  /** Sum of the batches' run times; more than the wall time when batches run side by side. */
  computeMs: number
  /** Sum of the load times. */
  loadMs: number
  loads: number
  failedLoads: number
  /** Instances that were stopped to make room. */
  evictions: number
  batches: number
  /** Items that were run, failed ones too; an item that was tried twice counts twice. */
  items: number
  failedItems: number
  peakBookedBytes: number
  /** 0: nothing was measured. In the total: the sum of the devices' peaks. */
  peakMeasuredBytes: number
  budgetBytes: number
}

export interface RunSummary extends RunFigures {
  pipeline: string
  /** Time in which a run was on, without the pauses between resumed runs. */
  wallMs: number
  /** How often the run was taken up again. */
  resumes: number
  /** What came before this moment is no longer in the journal and not counted, by the run's clock, ms; null:
   * all is. */
  knownSinceMs: number | null
  devices: (RunFigures & { id: string; kind: string })[]
}

/** Where the figures begin, in words; null: with the first run. */
export function formatKnownSince({ knownSinceMs }: Pick<RunSummary, 'knownSinceMs'>): string | null {
  if (knownSinceMs === null) return null
  const moment = new Date(knownSinceMs).toISOString().slice(0, 16).replace('T', ' ')
  return `since ${moment} UTC; what came before is no longer in the journal`
}

/** Throws BAD_VALUE for a journal of another version. */
export function summarizeRun(journal: Iterable<JournalLine>): RunSummary {
  return summarizeHistory(readHistory(journal))
}

export function summarizeHistory({
  pipeline,
  wallMs,
  cuts,
  devices,
  peakBookedBytes,
  knownSinceMs,
}: RunHistory): RunSummary {
  const figures = devices.map((device) => ({ id: device.id, kind: device.kind, ...figuresOf(device) }))
  const total = (key: keyof RunFigures) => figures.reduce((sum, each) => sum + each[key], 0)
  return {
    pipeline,
    wallMs,
    resumes: cuts.length,
    knownSinceMs,
    computeMs: total('computeMs'),
    loadMs: total('loadMs'),
    loads: total('loads'),
    failedLoads: total('failedLoads'),
    evictions: total('evictions'),
    batches: total('batches'),
    items: total('items'),
    failedItems: total('failedItems'),
    peakBookedBytes,
    peakMeasuredBytes: total('peakMeasuredBytes'),
    budgetBytes: total('budgetBytes'),
    devices: figures,
  }
}

function figuresOf(device: DeviceHistory): RunFigures {
  const residencies = device.models.flatMap((each) => each.residencies).filter(({ bytes }) => bytes > 0)
  const loaded = residencies.filter(({ loadMs }) => loadMs !== null)
  const batches = device.models.flatMap((each) => each.batches).filter(({ runMs }) => runMs !== null)
  return {
    computeMs: batches.reduce((sum, { runMs }) => sum + runMs!, 0),
    loadMs: loaded.reduce((sum, { loadMs }) => sum + loadMs!, 0),
    loads: loaded.length,
    failedLoads: residencies.filter(({ failure, loadedMs }) => failure !== null && loadedMs === null).length,
    evictions: residencies.filter(({ makeRoomFor }) => makeRoomFor !== null).length,
    batches: batches.length,
    items: batches.reduce((sum, { itemCount }) => sum + itemCount, 0),
    failedItems: batches.reduce((sum, { failedCount }) => sum + failedCount, 0),
    peakBookedBytes: device.peakBookedBytes,
    peakMeasuredBytes: device.measured.reduce((peak, { bytes }) => Math.max(peak, bytes), 0),
    budgetBytes: device.budgetBytes,
  }
}
