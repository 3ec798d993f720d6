// The process that calls NVML and answers questions about its devices. A process of its own,
// since a call into a driver that hangs cannot be taken back: in ours it would hold a thread,
// and our exit, until the driver returns (docs/adr/0005). It ends when its parent does.
//
// A GPU that is split (MIG) is not listed, its parts are: nothing can be run on the whole.
// Health belongs to the GPU, so a part is asked for its memory and its GPU for the rest.

import type { NvmlAnswer, NvmlCard, NvmlQuestion, NvmlReading } from './nvml.ts'
import { type Koffi, NvmlLibrary } from './nvml-library.ts'

interface Opened extends NvmlCard {
  handle: bigint
  gpu: Gpu
}

interface Gpu {
  handle: bigint
  /** Where events of this GPU are collected; null: it has none. */
  events: bigint | null
}

/** NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_VOLATILE_ECC: since the driver was loaded or the GPU reset. */
const uncorrected = 1
const volatile = 0
/** nvmlEventTypeXidCriticalError. */
const xidEvent = 8
/** Events taken in one reading, so that a GPU that fails without end does not hold it up. */
const maxEvents = 64

const koffiPackage = `@koromix/koffi-${process.platform}-${process.arch}`

const { library, koffiVersion } = await open()
const { cards, left } = listCards(library)

process.on('disconnect', () => process.exit(0))
process.on('message', ({ id, uuid }: NvmlQuestion) => {
  try {
    const card = cards.find((each) => each.uuid === uuid)
    if (!card) throw new Error(['it is not there', ...left].join('; '))
    say({ type: 'reading', id, reading: read(library, card) })
  } catch (error) {
    say({ type: 'lost', id, message: (error as Error).message })
  }
})
say({
  type: 'opened',
  versions: {
    nvml: library.text('nvmlSystemGetNVMLVersion'),
    driver: library.text('nvmlSystemGetDriverVersion'),
    koffi: koffiVersion,
  },
  cards: cards.map(({ index, name, uuid }) => ({ index, name, uuid })),
  left,
})

function say(answer: NvmlAnswer): void {
  process.send!(answer)
}

async function open(): Promise<{ library: NvmlLibrary; koffiVersion: string }> {
  const path = process.argv[2]!
  let message: string
  try {
    const koffi = await importKoffi()
    if (koffi) return { library: new NvmlLibrary(koffi, path), koffiVersion: koffi.version }
    message = `the package ${koffiPackage} is not installed`
  } catch (error) {
    message = `${path}: ${(error as Error).message}`
  }
  await new Promise((sent) => process.send!({ type: 'failed', message } satisfies NvmlAnswer, sent))
  process.exit(1)
}

async function importKoffi(): Promise<Koffi | null> {
  try {
    return (await import(koffiPackage)).default
  } catch {
    return null
  }
}

function listCards(nvml: NvmlLibrary): { cards: Opened[]; left: string[] } {
  const cards: Opened[] = []
  const left: string[] = []
  const count = nvml.number('nvmlDeviceGetCount_v2') ?? 0
  for (let index = 0; index < count; index++) {
    try {
      const handle = nvml.handle('nvmlDeviceGetHandleByIndex_v2', index)
      const gpu = { handle, events: openEvents(nvml, handle) }
      for (const each of partsOf(nvml, handle) ?? [handle]) {
        const name = nvml.text('nvmlDeviceGetName', each)
        cards.push({ index, name, uuid: nvml.text('nvmlDeviceGetUUID', each), handle: each, gpu })
      }
    } catch (error) {
      left.push(`GPU ${index}: ${(error as Error).message}`)
    }
  }
  return { cards, left }
}

/** The MIG partitions of a GPU; null: it is not split. */
function partsOf(nvml: NvmlLibrary, handle: bigint): bigint[] | null {
  const mode = Buffer.alloc(4)
  const pending = Buffer.alloc(4)
  if (!nvml.may('nvmlDeviceGetMigMode', handle, mode, pending) || mode.readUInt32LE() === 0) return null
  const count = nvml.number('nvmlDeviceGetMaxMigDeviceCount', handle) ?? 0
  return Array.from({ length: count }, (_, index) => index).flatMap((index) => {
    const part = Buffer.alloc(8)
    const isThere = nvml.may('nvmlDeviceGetMigDeviceHandleByIndex', handle, index, part)
    return isThere ? [part.readBigUInt64LE()] : []
  })
}

function openEvents(nvml: NvmlLibrary, handle: bigint): bigint | null {
  const set = Buffer.alloc(8)
  if (!nvml.may('nvmlEventSetCreate', set)) return null
  const events = set.readBigUInt64LE()
  return nvml.may('nvmlDeviceRegisterEvents', handle, xidEvent, events) ? events : null
}

/** Processes before memory: what is allocated between the two counts as foreign for a moment, not as free. */
function read(nvml: NvmlLibrary, { handle, gpu }: Opened): NvmlReading {
  const processes = nvml.processes(handle)
  const { totalBytes, reservedBytes, freeBytes } = nvml.memory(handle)
  const utilisation = Buffer.alloc(8)
  const isKnown = nvml.may('nvmlDeviceGetUtilizationRates', handle, utilisation)
  return {
    totalBytes,
    reservedBytes,
    freeBytes,
    processes: processes && [...processes],
    utilisationRatio: isKnown ? utilisation.readUInt32LE() / 100 : null,
    health: readHealth(nvml, gpu),
  }
}

function readHealth(nvml: NvmlLibrary, { handle, events }: Gpu): NvmlReading['health'] {
  const count = Buffer.alloc(8)
  const isCounted = nvml.may('nvmlDeviceGetTotalEccErrors', handle, uncorrected, volatile, count)
  const rows = [0, 1, 2, 3].map(() => Buffer.alloc(4))
  const isMapped = nvml.may('nvmlDeviceGetRemappedRows', handle, ...rows)
  return {
    uncorrectedCount: isCounted ? Number(count.readBigUInt64LE()) : 0,
    isRetirementPending: nvml.number('nvmlDeviceGetRetiredPagesPendingStatus', handle) === 1,
    hasRemapFailed: isMapped && rows[3]!.readUInt32LE() === 1,
    xids: events === null ? [] : takeXids(nvml, events),
  }
}

function takeXids(nvml: NvmlLibrary, events: bigint): number[] {
  const xids: number[] = []
  const event = Buffer.alloc(40)
  while (xids.length < maxEvents && nvml.may('nvmlEventSetWait_v2', events, event, 0)) {
    xids.push(Number(event.readBigUInt64LE(16)))
  }
  return xids
}
