// NVIDIA's cards through the program nvidia-smi, where its library cannot be called:
// coarser (MiB), slower (a process for each question), without the parts of a split GPU
// and without the errors that the driver reports as they happen (XID). One question is
// asked for all cards; a second one within a moment gets the same answer.
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { formatMs } from '../core/units.ts'
import { CardGone, type NvmlCard, type NvmlReading } from './nvml.ts'

export interface SmiOptions {
  command?: string
  /** As in NvmlOptions. */
  askMs?: number
}

/** The name comes last: it is the only one that may hold anything. Old drivers do not know the second row. */
const fields = [
  ['uuid', 'index', 'memory.total', 'memory.free', 'utilization.gpu', 'driver_version'],
  ['memory.reserved', 'mig.mode.current', 'ecc.errors.uncorrected.volatile.total', 'retired_pages.pending'],
  ['name'],
]
const mebibyte = 2 ** 20
/** Readings of several cards, one after another, are one question. Chosen, not measured. */
const sameMs = 100

type Row = ReadonlyMap<string, string>

interface Snapshot {
  cards: Row[]
  processes: { uuid: string; pid: number; bytes: number | null }[]
}

export class NvidiaSmi {
  readonly #command: string
  readonly #askMs: number
  #latest: { atMs: number; snapshot: Promise<Snapshot> } | null = null

  constructor({ command = 'nvidia-smi', askMs = 4000 }: SmiOptions = {}) {
    this.#command = command
    this.#askMs = askMs
  }

  /** Rejects with why it cannot be used. */
  async open(): Promise<{ driver: string; cards: NvmlCard[]; left: string[] }> {
    const { cards } = await this.#ask()
    const isSplit = (row: Row) => row.get('mig.mode.current') === 'Enabled'
    return {
      driver: cards[0]?.get('driver_version') ?? 'unknown',
      cards: cards
        .filter((row) => !isSplit(row))
        .map((row) => ({ index: Number(row.get('index')), name: row.get('name')!, uuid: row.get('uuid')! })),
      left: cards
        .filter(isSplit)
        .map(
          (row) =>
            `GPU ${row.get('index')} is split (MIG), and nvidia-smi does not tell the memory of its parts`,
        ),
    }
  }

  /** Rejects with why the card cannot be read now. */
  async read(uuid: string): Promise<NvmlReading> {
    const nowMs = performance.now()
    if (!this.#latest || nowMs - this.#latest.atMs > sameMs)
      this.#latest = { atMs: nowMs, snapshot: this.#ask() }
    const { cards, processes } = await this.#latest.snapshot
    const row = cards.find((each) => each.get('uuid') === uuid)
    if (!row) throw new CardGone('nvidia-smi no longer lists it')
    const bytes = (key: string) => numberOf(row.get(key)) * mebibyte
    const [totalBytes, freeBytes] = [bytes('memory.total'), bytes('memory.free')]
    if (!Number.isFinite(totalBytes) || !Number.isFinite(freeBytes))
      throw new Error('nvidia-smi does not tell its memory')
    const utilisation = numberOf(row.get('utilization.gpu'))
    return {
      totalBytes,
      reservedBytes: bytes('memory.reserved') || 0,
      freeBytes,
      processes: processes.filter((each) => each.uuid === uuid).map(({ pid, bytes: held }) => [pid, held]),
      utilisationRatio: Number.isFinite(utilisation) ? utilisation / 100 : null,
      health: {
        uncorrectedCount: numberOf(row.get('ecc.errors.uncorrected.volatile.total')) || 0,
        isRetirementPending: row.get('retired_pages.pending') === 'Yes',
        hasRemapFailed: false,
        xids: [],
      },
    }
  }

  async #ask(): Promise<Snapshot> {
    const [cards, processes] = await Promise.all([
      this.#queryCards(fields.flat()).catch(() => this.#queryCards([...fields[0]!, ...fields[2]!])),
      this.#query('compute-apps', ['gpu_uuid', 'pid', 'used_memory']),
    ])
    return {
      cards,
      processes: processes.map((row) => {
        const mib = numberOf(row.get('used_memory'))
        const bytes = Number.isFinite(mib) ? mib * mebibyte : null
        return { uuid: row.get('gpu_uuid')!, pid: Number(row.get('pid')), bytes }
      }),
    }
  }

  async #queryCards(names: readonly string[]): Promise<Row[]> {
    const rows = await this.#query('gpu', names)
    if (rows.length === 0) throw new Error(`${this.#command} lists no GPU`)
    return rows
  }

  /** One row of CSV for each card or process. */
  async #query(what: string, names: readonly string[]): Promise<Row[]> {
    const output = await this.#run([`--query-${what}=${names.join(',')}`, '--format=csv,noheader,nounits'])
    return output.split('\n').flatMap((line) => {
      const cells = line.split(',').map((cell) => cell.trim())
      if (cells.length < names.length) return []
      const last = cells.slice(names.length - 1).join(', ')
      return [new Map(names.map((name, index) => [name, index === names.length - 1 ? last : cells[index]!]))]
    })
  }

  async #run(argv: string[]): Promise<string> {
    // A group of its own: a Ctrl-C for us is not for it.
    const child = spawn(this.#command, argv, { stdio: ['ignore', 'pipe', 'ignore'], detached: true })
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      child.kill('SIGKILL')
      child.stdout.destroy()
    }, this.#askMs)
    const ended = new Promise<string | null>((resolve) => {
      child.on('error', (error: NodeJS.ErrnoException) =>
        resolve(error.code === 'ENOENT' ? `there is no ${this.#command} on the PATH` : error.message),
      )
      child.on('exit', (code, signal) =>
        resolve(code === 0 ? null : `${this.#command} ended with ${signal ?? `code ${code}`}`),
      )
    })
    const [output, failure] = await Promise.all([text(child.stdout).catch(() => ''), ended])
    clearTimeout(timer)
    if (isLate) throw new Error(`${this.#command} has not answered for ${formatMs(this.#askMs)}`)
    // What it has to say is on standard output: "No devices were found", "Failed to initialize NVML: …".
    if (failure !== null)
      throw new Error([failure, output.trim().split('\n').at(-1)].filter(Boolean).join(': '))
    return output
  }
}

/** NaN for what it does not tell: "[N/A]", "[Not Supported]", "[Insufficient Permissions]". */
function numberOf(cell: string | undefined): number {
  return cell === undefined || cell === '' ? Number.NaN : Number(cell)
}
