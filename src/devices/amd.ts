// AMD's cards through what the amdgpu driver writes into sysfs and /proc; no library and no tool is needed.
//
//   class/drm/card*/device/   mem_info_vram_total, mem_info_vram_used, gpu_busy_percent,
//                             unique_id, product_name, revision, uevent (PCI_SLOT_NAME),
//                             ras/umc_err_count (uncorrected memory errors)
//   class/kfd/kfd/topology    the order in which ROCm counts, for cards without unique_id
//   proc/PID/fdinfo/*         per open device file: drm-pdev, drm-client-id, drm-memory-vram.
//                             A file that is open twice, or in two processes, is one client
//                             and counts once, for the first process.
//   class/kfd/kfd/proc/PID/   vram_ID: the same of a ROCm process, by the pid of the host. Whether fdinfo
//                             has it too depends on the kernel, so the larger of the two counts.
//
// Only files of our own processes are read, those of others need rights that we may not
// have: foreign use is what is left. Sysfs and /proc can be given, for tests.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Card, CardReading, Driver } from './card.ts'
import { listProcesses, seesAllProcesses } from './processes.ts'

export interface AmdOptions {
  sys?: string
  proc?: string
  /** Where libdrm keeps the names that cards are sold under. */
  names?: string
}

interface Place {
  card: Card
  folder: string
  /** PCI address. */
  slot: string
  /** The number that KFD has for the card; null: it does not know it. */
  kfdId: string | null
}

/** The driver; or, where there is none, what was looked for. */
export async function openAmd(options: AmdOptions = {}): Promise<Driver | string[]> {
  const { sys = '/sys', proc = '/proc' } = options
  let places = await findCards(sys, options.names)
  if (places.length === 0) return [`no mem_info_vram_total under ${sys}/class/drm/card*/device`]
  const cards = places.map(({ card }) => card)
  const identities = new Map(places.map((place) => [place.card, identityOf(place)]))
  return {
    kind: 'amd',
    how: 'amdgpu, sysfs',
    cards,
    left: [],
    async read(card, groups) {
      try {
        const place = places.find((each) => identityOf(each) === identities.get(card))
        if (!place) throw new Error(`it is no longer under ${sys}/class/drm`)
        return await readCard(place, groups, { sys, proc })
      } catch (error) {
        places = await findCards(sys, options.names) // back, it may have another number
        throw new Error(`it cannot be read: ${(error as Error).message}`)
      }
    },
    close: () => Promise.resolve(),
  }
}

/** What stays the same when cards go and come. */
function identityOf({ card, slot }: Place): string {
  return card.uuid ?? slot
}

async function findCards(sys: string, names = '/usr/share/libdrm/amdgpu.ids'): Promise<Place[]> {
  const folders = (await list(`${sys}/class/drm`)).filter((name) => /^card\d+$/.test(name))
  folders.sort((a, b) => Number(a.slice(4)) - Number(b.slice(4)))
  const nodes = await readTopology(sys)
  const places: Place[] = []
  for (const name of folders) {
    const folder = join(sys, 'class/drm', name, 'device')
    if ((await text(join(folder, 'mem_info_vram_total'))) === null) continue
    const slot = /^PCI_SLOT_NAME=(.+)$/m.exec((await text(join(folder, 'uevent'))) ?? '')?.[1] ?? name
    const uniqueId = await text(join(folder, 'unique_id'))
    const uuid = uniqueId === null || /^0*$/.test(uniqueId) ? null : `GPU-${uniqueId}`
    const minor = (await list(join(folder, 'drm'))).find((each) => each.startsWith('renderD'))?.slice(7)
    const rocmIndex = nodes.findIndex((node) => node.renderMinor === minor)
    const index = places.length
    // HIP counts within what ROCr shows, so that a variable of the user's cannot hide
    // the one card that is left.
    const environment = {
      ROCR_VISIBLE_DEVICES: uuid ?? String(rocmIndex < 0 ? index : rocmIndex),
      HIP_VISIBLE_DEVICES: '0',
    }
    const card = { index, name: await nameOf(folder, names), uuid, environment }
    places.push({ card, folder, slot, kfdId: nodes[rocmIndex]?.id ?? null })
  }
  return places
}

/** The GPUs as ROCm counts them. */
async function readTopology(sys: string): Promise<{ id: string; renderMinor: string | undefined }[]> {
  const root = `${sys}/class/kfd/kfd/topology/nodes`
  const numbers = (await list(root)).map(Number).sort((a, b) => a - b)
  const nodes = await Promise.all(
    numbers.map(async (number) => ({
      id: (await text(`${root}/${number}/gpu_id`)) ?? '0',
      renderMinor: /^drm_render_minor (\d+)$/m.exec((await text(`${root}/${number}/properties`)) ?? '')?.[1],
    })),
  )
  return nodes.filter(({ id }) => id !== '0') // processors are nodes too
}

/** As it is sold, as its maker wrote into it, or its numbers. */
async function nameOf(folder: string, names: string): Promise<string> {
  const hex = async (file: string) =>
    ((await text(join(folder, file))) ?? '').replace(/^0x/, '').toUpperCase()
  const [device, revision] = [await hex('device'), await hex('revision')]
  const line = ((await text(names)) ?? '')
    .split('\n')
    .map((each) => each.split(',').map((cell) => cell.trim()))
    .find(([id, rev]) => id === device && Number.parseInt(rev ?? '', 16) === Number.parseInt(revision, 16))
  return line?.[2] ?? ((await text(join(folder, 'product_name'))) || `AMD GPU ${device.toLowerCase()}`)
}

interface Roots {
  sys: string
  proc: string
}

/** Processes before memory: what is allocated between the two counts as foreign for a moment, not as free. */
async function readCard(place: Place, groups: readonly number[], roots: Roots): Promise<CardReading> {
  const { folder } = place
  const bytesByGroup = await heldByGroup(place, groups, roots)
  const totalBytes = await number(join(folder, 'mem_info_vram_total'))
  const usedBytes = await number(join(folder, 'mem_info_vram_used'))
  const busy = await text(join(folder, 'gpu_busy_percent'))
  const errors = Number(/^ue: (\d+)$/m.exec((await text(join(folder, 'ras/umc_err_count'))) ?? '')?.[1] ?? 0)
  const fault =
    errors > 0 ? `${errors} memory errors could not be corrected since the driver was loaded` : null
  return { totalBytes, usedBytes, bytesByGroup, utilisationRatio: busy ? Number(busy) / 100 : null, fault }
}

/** null where the files of a process of ours may not be read. */
async function heldByGroup(
  { slot, kfdId }: Place,
  groups: readonly number[],
  { sys, proc }: Roots,
): Promise<Map<number, number> | null> {
  const processes = listProcesses(proc)
  if (processes === null) return null
  const hasKfd = kfdId !== null && seesAllProcesses(proc)
  const clients = new Set<string>()
  const bytesByGroup = new Map<number, number>()
  for (const { pid, group } of processes.filter((each) => groups.includes(each.group))) {
    const drm = await clientBytes(`${proc}/${pid}/fdinfo`, slot, clients)
    if (drm === null) return null
    const kfd = hasKfd ? Number((await text(`${sys}/class/kfd/kfd/proc/${pid}/vram_${kfdId}`)) ?? 0) : 0
    const bytes = Math.max(drm, kfd)
    if (bytes > 0) bytesByGroup.set(group, (bytesByGroup.get(group) ?? 0) + bytes)
  }
  return bytesByGroup
}

/** Bytes of the clients of a process that were not seen before; null: its files may not be read. */
async function clientBytes(folder: string, slot: string, seen: Set<string>): Promise<number | null> {
  let bytes = 0
  let files: string[]
  try {
    files = await readdir(folder)
  } catch (error) {
    return isGone(error) ? 0 : null
  }
  for (const file of files) {
    const lines = ((await text(join(folder, file))) ?? '').split('\n')
    const entries = new Map(
      lines.map((line) => {
        const colon = line.indexOf(':')
        return [line.slice(0, colon), line.slice(colon + 1).trim()]
      }),
    )
    const client = entries.get('drm-client-id')
    if (client === undefined || entries.get('drm-pdev') !== slot || seen.has(client)) continue
    seen.add(client)
    bytes += sizeOf(entries.get('drm-memory-vram') ?? entries.get('drm-resident-vram') ?? '0')
  }
  return bytes
}

/** `123 KiB`; a number without unit is bytes (drm-usage-stats of the kernel). */
function sizeOf(value: string): number {
  const [count, unit = ''] = value.split(/\s+/)
  const factor = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }[unit] ?? 1
  return Number(count) * factor
}

async function text(file: string): Promise<string | null> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch {
    return null
  }
}

/** Rejects where it cannot be read: the card is gone. */
async function number(file: string): Promise<number> {
  return Number((await readFile(file, 'utf8')).trim())
}

async function list(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => [])
}

function isGone(error: unknown): boolean {
  return ['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')
}
