// Cards as people write them behind a flag: `16GB`, `2x8GB`.
import { SchedulerError } from '../core/errors.ts'
import { formatBytes, parseBytes } from '../core/units.ts'

/** A card is not smaller: a unit was forgotten. And more of them are a slip of the pen. */
const leastCardBytes = 1e6
const mostCards = 1000

/** Bytes of each card. Throws BAD_VALUE. */
export function parseSizes(gpu: readonly string[], flag = '--gpu'): number[] {
  return gpu.flatMap((text) => {
    const [, count = '1', size = text] = /^\s*(\d+)x(.+)$/.exec(text) ?? []
    const bytes = parseBytes(size)
    if (bytes < leastCardBytes)
      throw new SchedulerError(
        'BAD_VALUE',
        `${flag} ${text} is a card of ${formatBytes(bytes)}; give its memory with a unit, such as 16GB.`,
      )
    if (Number(count) < 1 || Number(count) > mostCards)
      throw new SchedulerError(
        'BAD_VALUE',
        `${flag} ${text}: give from 1 to ${mostCards} cards, such as 2x16GB.`,
      )
    return Array<number>(Number(count)).fill(bytes)
  })
}
