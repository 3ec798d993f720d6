// What a pipeline says of devices: what can be wrong with it, what is known of their
// memory before they are looked for, and the specs that devices are opened by.
//
//   gpus: auto                              every GPU that is found
//   - { name: ram, kind: host, memory }     memory is required for host and static
//   - { name: big, kind: nvidia, uuid }     index or uuid for nvidia and amd; memory caps what is used
//   - { name: rest, kind: auto }            the GPUs that no other element names
import { parseBytes } from '../core/units.ts'
import { defaultSafetyRatio, lineBytes } from '../core/vram.ts'
import type { DeviceSpec } from '../devices/device.ts'
import type { CheckedFile } from './schema.ts'
import type { ReportFault } from './shape-faults.ts'

type Gpu = Exclude<CheckedFile['gpus'], string>[number]

const automatic: Gpu = { name: 'gpu', kind: 'auto', safety: defaultSafetyRatio }

function listOf({ gpus }: CheckedFile): readonly Gpu[] {
  return gpus === 'auto' ? [automatic] : gpus
}

export function checkGpus(file: CheckedFile, report: ReportFault): void {
  const gpus = listOf(file)
  for (const [index, gpu] of gpus.entries()) {
    const fault = (key: string, message: string) => report(['gpus', index, key], message)
    const before = gpus.slice(0, index)
    const { name, kind } = gpu
    if (name !== undefined && before.some((each) => each.name === name))
      fault('name', `two devices are called "${name}"`)
    if (name === 'cpu') fault('name', '"cpu" is the name of what needs no device; take another')
    if ((kind === 'host' || kind === 'static') && gpu.memory === undefined)
      fault('memory', `is missing: what is ${kind} must be told how much it has`)
    if (kind === 'auto' && before.some((each) => each.kind === 'auto'))
      fault('kind', 'only one element can be auto; it takes every GPU that is not named')
    if (kind === 'nvidia' || kind === 'amd') {
      if (gpu.index !== undefined && gpu.uuid !== undefined)
        fault('index', 'index and uuid both choose the GPU; leave one out')
      const same = before.find((each) => each.kind === kind && choiceOf(each) === choiceOf(gpu))
      if (same) fault('kind', `"${same.name}" and "${name}" are the same GPU, ${choiceOf(gpu)}`)
    } else {
      for (const key of ['index', 'uuid'] as const)
        if (gpu[key] !== undefined)
          fault(key, `chooses among the GPUs of kind nvidia or amd; this is ${kind}`)
    }
  }
}

function choiceOf({ index = 0, uuid }: Gpu): string {
  return uuid === undefined ? `index ${index}` : `uuid ${uuid}`
}

/** The most that one device can promise, as far as it is written; null: that is seen
 * when the devices are opened. */
export function largestOffer(file: CheckedFile): number | null {
  const offers = listOf(file).map(({ kind, memory, safety = defaultSafetyRatio }) => {
    const isKnown = kind === 'host' || kind === 'static' || memory !== undefined
    return isKnown ? lineBytes({ capacityBytes: bytesOf(memory), safetyRatio: safety }) : null
  })
  return offers.includes(null) ? null : Math.max(0, ...(offers as number[]))
}

/** 0 for what is not a size: that is a fault of its own. */
function bytesOf(memory: Gpu['memory']): number {
  try {
    return parseBytes(memory ?? 0)
  } catch {
    return 0
  }
}

export function compileGpus(file: CheckedFile): DeviceSpec[] {
  return listOf(file).map(({ name: id, kind, memory, index, uuid, safety: safetyRatio }) => ({
    id,
    kind,
    memoryBytes: memory === undefined ? null : parseBytes(memory),
    safetyRatio,
    index: (kind === 'nvidia' || kind === 'amd') && uuid === undefined ? (index ?? 0) : null,
    uuid: uuid ?? null,
  }))
}
