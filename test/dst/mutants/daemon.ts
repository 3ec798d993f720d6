// Breaks rules of the daemon: its loop, its batches, its instances, and what it recovers.
import type { Mutants } from './mutant.ts'

export const daemonMutants: Mutants = {
  'leases of a killed daemon are not given back': [
    ['daemon/recovery.ts', 'await store.releaseAll(clock.nowMs())', 'clock.nowMs()'],
  ],
  'leftovers are not awaited': [
    ['daemon/recovery.ts', 'await parts.reapLeftovers()', '(parts.reapLeftovers(), 0 as never)'],
  ],
  'superseded items do not come back': [['daemon/jobs.ts', 'back.length > 0', 'back.length < 0']],
  'bytes are free when a stop is asked for': [['daemon/release.ts', 'if (isGone) break', 'return true']],
  'bytes are free when the process is gone': [
    [
      'daemon/release.ts',
      'if (!device || group === null) return true',
      'if (device !== undefined) return true',
    ],
  ],
  'a crash is not noticed': [
    ['daemon/instances.ts', 'if (!live.ending) await this.#failed(instanceId, exit.cause)', 'exit.cause'],
  ],
  'a second answer is taken': [
    ['daemon/answers.ts', 'if (!item || this.#answered.has(answer.id)) return', 'if (!item) return'],
  ],
  'answers that never come are forgotten': [
    [
      'daemon/answers.ts',
      "answers.take({ type: 'error', id, error, retryable: !(hasCrashed && isSuspect) })",
      'error',
    ],
  ],
  'a stop that was asked for costs an attempt': [
    ['daemon/answers.ts', 'answers.isAlone ? !live.isAsked : failure === null', 'true'],
  ],
  'no sign of life during a batch': [
    [
      'daemon/answers.ts',
      'const stopBeating = keepLease(claim.token, context)',
      'const stopBeating = () => {}',
    ],
  ],
  'heads are not read after a write': [
    [
      'daemon/daemon.ts',
      'this.#options.onOutcomes?.(outcomes)\n    this.queuesChanged()',
      'this.#options.onOutcomes?.(outcomes)',
    ],
  ],
  'no timer for retries': [
    [
      'daemon/daemon.ts',
      'Math.min(wakeAtMs ?? Number.POSITIVE_INFINITY, this.#heads.dueAtMs)',
      'wakeAtMs ?? Number.POSITIVE_INFINITY',
    ],
  ],
  'finishes before its batches are recorded': [
    ['daemon/daemon.ts', ' || this.#works.size > 0) return', ') return'],
  ],
  'an error of the store is swallowed': [
    ['daemon/answers.ts', 'if (answers.storeError !== null) throw answers.storeError', ''],
  ],
  'a run is over while a retry is due': [
    ['daemon/run.ts', ' || dueAtMs === Number.POSITIVE_INFINITY', ' || dueAtMs > 0'],
  ],
  'a run is over while items are ready': [
    ['daemon/run.ts', 'if (state.models.some(({ readyCount }) => readyCount > 0)) return false', ''],
  ],
  'a drain never ends': [['daemon/run.ts', 'if (state.isDraining) return true', '']],
  'a claim for an instance that is gone is kept': [['daemon/batch.ts', 'await giveBack(claim, context)', '']],
  'an item is charged for the memory that another wanted': [
    ['daemon/answers.ts', 'isForMemory && !this.isAlone', 'isForMemory && this.isAlone'],
  ],
  'an item is charged for the worker that another killed': [
    [
      'daemon/answers.ts',
      'answers.isAlone ? !live.isAsked : failure === null',
      'answers.isAlone || !live.isAsked',
    ],
  ],
  'what runs out of memory alone is tried again': [
    ['daemon/answers.ts', 'isForMemory ? { ...answer, retryable: false } : answer', 'answer'],
  ],
  'a process that cannot be killed is not named': [
    ['daemon/release.ts', '    delayed(instance.remains())', ''],
  ],
  'a process that cannot be killed is forgotten': [
    ['daemon/release.ts', 'if (isGone) break', 'if (isGone || passedMs() > 20_000) break'],
  ],
  'what was learned does not outlive the daemon': [
    [
      'daemon/daemon.ts',
      'restoreProfiles(this.state, options.profiles ?? [])',
      'restoreProfiles(this.state, [])',
    ],
  ],
}
