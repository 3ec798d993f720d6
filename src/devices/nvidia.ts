// NVIDIA's cards: through NVML, or where it cannot be called through nvidia-smi. From what either tells:
//   capacity     total − what the driver keeps to itself (an older one counts that as
//                used: then it is foreign)
//   used         total − free − the driver's own; that "used" has it in some drivers
//                and not in others does not matter
//   ours         attribution.ts
//   fault        (1) The card cannot be asked: it is gone, the driver is, or it does not answer.
//                (2) Memory errors that could not be corrected since the last reset, a page that waits
//                    for a reboot to be retired, a row that could not be replaced. A row that waits to
//                    be replaced does no harm (NVML's documentation of nvmlDeviceGetRemappedRows).
//                (3) An error of the kind that only a reset heals (fatalXids). It holds until the card
//                    has been gone and is back, as it is after a reset; the next start forgets it.
import { Attribution } from './attribution.ts'
import type { Card, CardReading, Driver } from './card.ts'
import { NvidiaSmi, type SmiOptions } from './nvidia-smi.ts'
import { CardGone, Nvml, type NvmlCard, type NvmlOptions, type NvmlReading } from './nvml.ts'

/** Where NVIDIA's catalogue of XID errors says: reset the GPU, restart the machine, or
 * the memory is wrong. Left out: 109, which its own Kubernetes plugin takes for an error
 * of the application, and those of NVLink, which one model on one device does not use.
 * Others end the application at most, and a worker that ends is tried again anyway. */
const fatalXids = new Map([
  [46, 'GPU stopped processing'],
  [48, 'double bit ECC error'],
  [54, 'auxiliary power is not connected'],
  [62, 'micro-controller halt'],
  [64, 'memory could not be remapped'],
  [79, 'GPU has fallen off the bus'],
  [95, 'uncontained memory error'],
  [110, 'security fault'],
  [119, 'GSP does not answer'],
  [120, 'GSP error'],
  [140, 'unrecovered ECC error'],
  [143, 'GPU could not be initialised'],
  [151, 'key rotation error'],
  [156, 'memory was retired'],
  [158, 'fatal time-out'],
  [167, 'fatal PCIe time-out'],
  [171, 'uncorrectable DRAM error'],
  [172, 'uncorrectable SRAM error'],
])

export interface NvidiaOptions {
  nvml?: NvmlOptions
  smi?: SmiOptions
  /** Root of the processes. */
  proc?: string
}

interface Source {
  how: string
  cards: NvmlCard[]
  left: string[]
  read(uuid: string): Promise<NvmlReading>
  close(): void
}

/** The driver; or, where there is none, what was tried and why it did not work. */
export async function openNvidia(options: NvidiaOptions = {}): Promise<Driver | string[]> {
  const tried: string[] = []
  for (const open of [openNvml, openSmi]) {
    try {
      return driverOf(await open(options, tried), options)
    } catch (error) {
      tried.push((error as Error).message)
    }
  }
  return tried
}

async function openNvml(options: NvidiaOptions): Promise<Source> {
  const nvml = new Nvml(options.nvml)
  try {
    const { versions, cards, left } = await nvml.open()
    const how = `NVML ${versions.nvml}, driver ${versions.driver}, koffi ${versions.koffi}`
    return { how, cards, left, read: (uuid) => nvml.read(uuid), close: () => nvml.close() }
  } catch (error) {
    nvml.close()
    throw error
  }
}

async function openSmi(options: NvidiaOptions, tried: readonly string[]): Promise<Source> {
  const smi = new NvidiaSmi(options.smi)
  const { driver, cards, left } = await smi.open()
  const how = `nvidia-smi, driver ${driver}; not NVML: ${tried.join('; ')}`
  return { how, cards, left, read: (uuid) => smi.read(uuid), close: () => {} }
}

function driverOf({ how, cards, left, read, close }: Source, { proc }: NvidiaOptions): Driver {
  const attributions = new Map(cards.map(({ uuid }) => [uuid, new Attribution(proc)]))
  /** Card to the error that only a reset heals. */
  const broken = new Map<string, string>()
  return {
    kind: 'nvidia',
    how,
    cards: cards.map((card): Card => ({ ...card, environment: { CUDA_VISIBLE_DEVICES: card.uuid } })),
    left,
    async read(card, groups): Promise<CardReading> {
      const uuid = card.uuid!
      const reading = await read(uuid).catch((error) => {
        if (error instanceof CardGone) broken.delete(uuid)
        throw error
      })
      const fatal = reading.health.xids.find((xid) => fatalXids.has(xid))
      if (fatal !== undefined)
        broken.set(uuid, `XID ${fatal}, ${fatalXids.get(fatal)}; it must be reset (nvidia-smi --gpu-reset)`)
      const { totalBytes, reservedBytes, freeBytes, processes, utilisationRatio, health } = reading
      const listed = processes?.map(([pid, bytes]) => ({ pid, bytes })) ?? null
      return {
        totalBytes: totalBytes - reservedBytes,
        usedBytes: totalBytes - reservedBytes - freeBytes,
        bytesByGroup: attributions.get(uuid)!.bytesByGroup(listed, groups),
        utilisationRatio,
        fault: broken.get(uuid) ?? faultOf(health),
      }
    },
    close: async () => close(),
  }
}

function faultOf({
  uncorrectedCount,
  isRetirementPending,
  hasRemapFailed,
}: NvmlReading['health']): string | null {
  if (uncorrectedCount > 0)
    return `${uncorrectedCount} memory errors could not be corrected since the last reset`
  if (isRetirementPending) return 'a broken page of its memory waits for a reboot to be retired'
  if (hasRemapFailed) return 'a broken row of its memory could not be replaced'
  return null
}
