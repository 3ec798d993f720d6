// Whether a device's memory can be trusted: a worker holds stated numbers of bytes on it, and what the ledger
// would book is compared with what the device shows, step by step, until its memory is back. Anyone with a
// card can run it; the same check runs on RAM, and in the tests over stand-ins for the vendors' libraries.
//
//   the worker has opened the device   what it holds now is booked for every later step: a context is not
//                                      stated, it is measured
//   it holds S1, S2, S1 again          booked: context + stated
//   it has ended                       booked 0; timed from the end of the process group until the device
//                                      shows it
//   the last two again                 memory that comes back once comes back again
//
// A step is good when booked and measured agree within `toleranceOf` before `settleMs` is over. Where the
// driver does not tell which process holds what, the difference of all that is used is taken; that is noted,
// since others change it too.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { formatBytes, formatMs } from '../../core/units.ts'
import type { Device } from '../../devices/device.ts'
import { createRunner } from '../../runners/create.ts'
import type { Instance, Runner } from '../../runners/runner.ts'
import { StartedProcesses } from '../../runners/started.ts'

export interface CheckRow {
  step: string
  statedBytes: number | null
  bookedBytes: number
  measuredBytes: number
  /** Until they agreed; null: they did not. */
  tookMs: number | null
  note: string
}

export interface CheckResult {
  device: { id: string; kind: string; name: string; uuid: string | null }
  /** What the worker allocates with. */
  how: string
  rows: CheckRow[]
  /** From the end of each worker until its memory was back, ms. */
  releaseMs: number[]
  /** Why the check could not go on. */
  failure: string | null
  isGood: boolean
}

export interface CheckOptions {
  /** The larger of the two sizes; less is taken where less is free. */
  sizeBytes?: number
  cycleCount?: number
  /** Longest wait for booked and measured to agree, ms: the ledger's own (policy.releaseTimeout). */
  settleMs?: number
}

const mebibyte = 2 ** 20
const pollMs = 20

/** Drivers hand out memory in pieces of 2 MiB, and a context grows a little with its first use. Chosen, not
 * measured. */
function toleranceOf(bytes: number): number {
  return Math.max(16 * mebibyte, 0.02 * bytes)
}

const workerFile = fileURLToPath(new URL('../../../workers/python/plimsoll_gpu_check.py', import.meta.url))

export async function checkDevice(
  device: Device,
  { sizeBytes = 2 ** 30, cycleCount = 3, settleMs = 5000 }: CheckOptions = {},
): Promise<CheckResult> {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-gpu-check-'))
  const { id, kind, name, uuid } = device
  const result: CheckResult = {
    device: { id, kind, name, uuid },
    how: '–',
    rows: [],
    releaseMs: [],
    failure: null,
    isGood: false,
  }
  try {
    const check = new Check(device, runnerOf(device, folder), result, settleMs)
    await check.run(sizeBytes, cycleCount)
  } catch (error) {
    result.failure = (error as Error).message
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  result.isGood = result.failure === null && result.rows.every(({ tookMs }) => tookMs !== null)
  return result
}

function runnerOf({ kind }: Device, folder: string): Runner {
  const spec = {
    modelId: 'gpu-check',
    kind: 'command' as const,
    argv: ['python3', workerFile],
    options: { kind },
    environment: { PYTHONDONTWRITEBYTECODE: '1' },
    cwd: dirname(workerFile),
    timeouts: {},
  }
  return createRunner(spec, {
    started: new StartedProcesses(join(folder, 'runners.jsonl')),
    logFolder: folder,
  })
}

/** One device being checked: what was used before, and the worker that is running. */
class Check {
  readonly #device: Device
  readonly #runner: Runner
  readonly #result: CheckResult
  readonly #settleMs: number
  #beforeBytes = 0
  #instance: Instance | null = null

  constructor(device: Device, runner: Runner, result: CheckResult, settleMs: number) {
    this.#device = device
    this.#runner = runner
    this.#result = result
    this.#settleMs = settleMs
  }

  async run(sizeBytes: number, cycleCount: number): Promise<void> {
    const before = await this.#read(null)
    this.#beforeBytes = before.usedBytes
    const free = Math.floor((before.capacityBytes - before.usedBytes) / 3 / mebibyte) * mebibyte
    const large = Math.min(sizeBytes, free)
    const small = Math.round(large / 4 / mebibyte) * mebibyte
    if (small < 16 * mebibyte)
      throw new Error(`only ${formatBytes(free * 3)} of it are free; that is too little to tell`)
    try {
      for (let cycle = 0; cycle < cycleCount; cycle++) {
        const contextBytes = await this.#start(cycle)
        for (const [step, bytes] of cycle === 0
          ? ([
              ['holds', small],
              ['holds more', large],
              ['gives some back', small],
            ] as const)
          : ([['holds', large]] as const))
          await this.#hold(step, bytes, contextBytes)
        await this.#end()
      }
    } finally {
      await this.#instance?.stop()
    }
  }

  /** Starts a worker; answers with what it holds before it is told to hold anything. */
  async #start(cycle: number): Promise<number> {
    this.#instance = this.#runner.start(`gpu-check-${cycle}`, this.#device.environment)
    const answer = await this.#instance.load()
    if (answer.type === 'failed') throw new Error(`the worker cannot open it: ${answer.error.message}`)
    const opened = await this.#settle((measured) => measured > 0)
    this.#note(
      cycle === 0 ? 'the worker has opened it' : 'a further worker has opened it',
      null,
      opened.measuredBytes,
      opened,
    )
    return opened.measuredBytes
  }

  async #hold(step: string, bytes: number, contextBytes: number): Promise<void> {
    const items = [{ id: step, input: { holdBytes: bytes } }]
    const { answers } = await this.#instance!.run({ items, timeoutMs: null })
    const [answer] = answers
    if (answer?.type !== 'output')
      throw new Error(`the worker cannot hold ${formatBytes(bytes)}: ${answer?.error.message}`)
    this.#result.how = (answer.output as { how: string }).how
    const booked = contextBytes + bytes
    const tolerance = toleranceOf(booked)
    this.#note(
      step,
      bytes,
      booked,
      await this.#settle((measured) => Math.abs(measured - booked) <= tolerance),
    )
  }

  async #end(): Promise<void> {
    const instance = this.#instance!
    await instance.stop()
    // Gone when no byte is its own and what is used is what was: a driver may list nobody and give nothing
    // back.
    const released = await this.#settle(
      (_, { usedBytes, oursBytes }) => !oursBytes && usedBytes - this.#beforeBytes <= toleranceOf(0),
    )
    this.#instance = null
    if (released.tookMs !== null) this.#result.releaseMs.push(released.tookMs)
    this.#note('has ended', 0, 0, released)
  }

  #note(step: string, statedBytes: number | null, bookedBytes: number, settled: Settled): void {
    this.#result.rows.push({ step, statedBytes, bookedBytes, ...settled })
  }

  /** Reads until what is measured is as it should be, or the time is over. */
  async #settle(isGood: (measuredBytes: number, reading: Reading) => boolean): Promise<Settled> {
    const startedAtMs = performance.now()
    for (;;) {
      const reading = await this.#read(this.#instance!.pid)
      const { usedBytes, oursBytes } = reading
      const measuredBytes = oursBytes ?? Math.max(0, usedBytes - this.#beforeBytes)
      const ms = performance.now() - startedAtMs
      const others = usedBytes - this.#beforeBytes - measuredBytes
      const note = [
        ...(oursBytes === null ? ['by what is used in all'] : []),
        ...(others > toleranceOf(0) ? [`${formatBytes(others)} more are used than before, not by it`] : []),
      ].join('; ')
      if (isGood(measuredBytes, reading)) return { measuredBytes, tookMs: ms, note }
      if (ms > this.#settleMs) return { measuredBytes, tookMs: null, note }
      await new Promise((wake) => setTimeout(wake, pollMs))
    }
  }

  async #read(group: number | null): Promise<Reading> {
    const reading = await this.#device.read(group === null ? [] : [group])
    const { capacityBytes, usedBytes, bytesByGroup, fault } = reading
    if (fault !== null) throw new Error(fault)
    if (usedBytes === null) throw new Error('it does not tell what is used')
    return { capacityBytes, usedBytes, oursBytes: bytesByGroup && (bytesByGroup.get(group ?? -1) ?? 0) }
  }
}

interface Reading {
  capacityBytes: number
  usedBytes: number
  /** Held by the worker; null: not told. */
  oursBytes: number | null
}

interface Settled {
  measuredBytes: number
  tookMs: number | null
  note: string
}

/** The result as the rows of a table: step, stated, booked, measured, off by, took, result. */
export function rowsOf({ rows }: CheckResult): string[][] {
  return rows.map(({ step, statedBytes, bookedBytes, measuredBytes, tookMs, note }) => {
    const off = measuredBytes - bookedBytes
    return [
      step,
      statedBytes === null ? '–' : formatBytes(statedBytes),
      formatBytes(bookedBytes),
      formatBytes(measuredBytes),
      formatBytes(off),
      tookMs === null ? '–' : formatMs(tookMs),
      `${tookMs === null ? 'FAIL' : 'pass'}${note ? `: ${note}` : ''}`,
    ]
  })
}

export const checkColumns = ['step', 'stated', 'booked', 'measured', 'off by', 'took', 'result']
