// Whether a worker ran out of memory: told by itself, by the words of the library that gave up, or by the
// kernel, which kills. All of them end as one mark, the code OUT_OF_MEMORY, which the daemon acts upon.
import { readFileSync } from 'node:fs'
import type { ItemError } from '../core/errors.ts'
import type { Exit } from './runner.ts'

export const outOfMemory = 'OUT_OF_MEMORY'

/** Of a shell whose command was killed by SIGKILL. */
const killedCode = 137

/** What libraries say when an allocation fails. */
const words = [
  /\bout of memory\b/i, // CUDA, HIP, Metal, V8's "JavaScript heap out of memory", the kernel's own line
  /CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED|HIPBLAS_STATUS_ALLOC_FAILED/,
  /cuda(?:Malloc\w*)? failed.*alloc|cudaErrorMemoryAllocation|hipErrorOutOfMemory/i, // llama.cpp, ROCm
  /ErrorOutOf(?:Device|Host|Pool)Memory/, // Vulkan
  /RESOURCE_EXHAUSTED/, // XLA, TensorFlow
  /\bstd::bad_alloc\b|\bMemoryError\b|\bOutOfMemoryError\b/,
  /(?:failed|unable|cannot|could not) to? ?allocate\b.*\b(?:memory|buffer|bytes)\b|cannot allocate memory/i,
  /\bArray buffer allocation failed\b|\bENOMEM\b/,
  /No available memory for the cache blocks|memory is (?:less than|not enough)/i, // vLLM
]

/** Lines that only count are no failures: "0 out of memory errors". */
const harmless = /\b(?:no|0) out of memory\b|\bwithout running out of memory\b/i

/** An error message, or the end of a log, one line after another. */
export function speaksOfMemory(text: string): boolean {
  return text.split('\n').some((line) => !harmless.test(line) && words.some((word) => word.test(line)))
}

/** An error of a worker with our mark, where it is about memory. */
export function marked(error: ItemError): ItemError {
  return error.code !== outOfMemory && speaksOfMemory(error.message) ? { ...error, code: outOfMemory } : error
}

/** Whether a process that ended in this way had run out of memory, by its last words. SIGKILL
 * may come from anybody: then the kernel must say so, by more kills than when the work began. */
export function ranOutOfMemory(
  { code, signal }: Exit,
  lastWords: string,
  killsBefore: number | null,
  countKills: () => number | null = kernelKills,
): boolean {
  if (code === 0) return false
  if (signal !== 'SIGKILL' && code !== killedCode) return speaksOfMemory(lastWords)
  const kills = countKills()
  return kills !== null && killsBefore !== null && kills > killsBefore
}

/** Processes that the kernel has killed for want of memory so far, of our cgroup or else of this machine;
 * null: it does not say. If the number has grown when one of ours was killed by SIGKILL, it was for that. */
export function kernelKills(proc = '/proc', cgroup = '/sys/fs/cgroup'): number | null {
  return countIn(`${cgroup}/memory.events`) ?? countIn(`${proc}/vmstat`)
}

function countIn(file: string): number | null {
  try {
    const line = /^oom_kill (\d+)$/m.exec(readFileSync(file, 'utf8'))
    return line ? Number(line[1]) : null
  } catch {
    return null
  }
}
