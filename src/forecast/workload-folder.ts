// Reads a workload folder: models.json, and items.jsonl or items.jsonl.gz (design: the workload format).
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { SchedulerError } from '../core/errors.ts'
import { parseWorkload, type Workload } from '../sim/workload.ts'

/** Throws BAD_VALUE with every fault. */
export function readWorkload(folder: string): Workload {
  const models = join(folder, 'models.json')
  const plain = join(folder, 'items.jsonl')
  const packed = `${plain}.gz`
  const faults: string[] = []
  if (!existsSync(models)) faults.push(`${models} is not there; a workload folder has it and items.jsonl.`)
  if (!existsSync(plain) && !existsSync(packed)) faults.push(`${plain} (or .gz) is not there.`)
  if (faults.length > 0) throw new SchedulerError('BAD_VALUE', faults.join('\n'), { folder })
  return parseWorkload(readFileSync(models, 'utf8'), linesOf(readItems(plain, packed)))
}

function readItems(plain: string, packed: string): Buffer {
  if (existsSync(plain)) return readFileSync(plain)
  try {
    return gunzipSync(readFileSync(packed))
  } catch (error) {
    throw new SchedulerError('BAD_VALUE', `${packed} is not a gzip file: ${(error as Error).message}.`)
  }
}

/** Line by line: the whole text may be longer than a string can be. */
function* linesOf(bytes: Buffer): Generator<string> {
  for (let from = 0; from < bytes.length; ) {
    const found = bytes.indexOf(10, from)
    const to = found < 0 ? bytes.length : found
    yield bytes.toString('utf8', from, to)
    from = to + 1
  }
}
