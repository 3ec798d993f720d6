// How `plimsoll doctor` shows a device: a few lines for each.
import { formatBytes, formatMs } from '../../core/units.ts'
import type { SeenDevice } from '../../devices/seen.ts'

/** Programs that are named; the rest are counted. */
const namedCount = 3

/** A few lines for each, nothing cut: a uuid is there to be copied.
 *
 *     nvidia 0: NVIDIA GeForce RTX 4080, GPU-8e24…
 *       15.6 GB, 2.5 GB used, 25 % busy, read in 2 ms
 *       held by python3 2 GB, Xorg 300 MB
 */
export function linesOf({ kind, index, name, uuid, reading, processes, readMs }: SeenDevice): string[] {
  const { capacityBytes, usedBytes, utilisationRatio, fault } = reading
  const figures = [
    formatBytes(capacityBytes),
    usedBytes === null ? 'use not told' : `${formatBytes(usedBytes)} used`,
    ...(utilisationRatio === null ? [] : [`${Math.round(utilisationRatio * 100)} % busy`]),
    `read in ${formatMs(Math.ceil(readMs))}`,
  ]
  return [
    `${kind}${index === null ? '' : ` ${index}`}: ${name}${uuid === null ? '' : `, ${uuid}`}`,
    `  ${figures.join(', ')}`,
    `  held by ${programsOf(processes)}`,
    ...(fault === null ? [] : [`  fault: ${fault}`]),
  ]
}

function programsOf(processes: SeenDevice['processes']): string {
  if (processes === null) return 'processes that the driver does not tell'
  const named = processes.slice(0, namedCount).map(({ program, bytes }) => `${program} ${formatBytes(bytes)}`)
  const rest = processes.length - named.length
  return [...named, ...(rest > 0 ? [`${rest} more`] : [])].join(', ') || 'nobody'
}
