// How the process of a worker may end, and what is made of it: the real recognition
// (src/runners/out-of-memory.ts) says whether it had run out of memory.
import type { ItemError } from '../../../src/core/errors.ts'
import { outOfMemory, ranOutOfMemory } from '../../../src/runners/out-of-memory.ts'

export interface End {
  code: number | null
  signal: string | null
  /** The end of its log. */
  words: string
}

export const crashed: End = { code: null, signal: 'SIGSEGV', words: '' }
export const killed: End = { code: null, signal: 'SIGKILL', words: '' }
export const terminated: End = { code: null, signal: 'SIGTERM', words: '' }
export const gaveUp: End = { code: 3, signal: null, words: 'Error: no weights' }
export const wantedMemory: End = {
  code: 1,
  signal: null,
  words: 'CUDA out of memory. Tried to allocate 2 GiB',
}

/** What a worker says that goes on. */
export const outOfMemoryError: ItemError = { code: outOfMemory, message: 'the allocation failed' }

export function causeOf({ code, signal }: End): string {
  return signal === null ? `ended with code ${code}` : `was killed by ${signal}`
}

/** As in src/runners/stdio.ts. `killsBefore`: of the kernel, when the work began; null:
 * its end was asked for. */
export function errorOf(end: End, killsBefore: number | null, kills: number): ItemError {
  const { code, signal, words } = end
  const exit = { code, signal, cause: causeOf(end) }
  const isForMemory = killsBefore !== null && ranOutOfMemory(exit, words, killsBefore, () => kills)
  return { code: isForMemory ? outOfMemory : 'RUNNER_EXITED', message: `the worker ${exit.cause}` }
}
