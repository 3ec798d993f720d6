// Reasons as sentences: which rule chose a command, and the figures that it saw. The figures are the ones that decided;
// nothing is computed again.
import type { Reason, RuleId } from './protocol.ts'
import { formatBytes, formatMs } from './units.ts'

const sentences: Record<RuleId, string> = {
  shutdown: 'the run is over',
  'release-overdue': 'its memory did not come back in time',
  'loads-failed': 'it failed to load too often in a row',
  'load-interactive': 'an interactive item waits for it',
  'load-overdue': 'an item has waited longer than policy.maxWait for it',
  'load-best': 'its queue deserves the device most',
  'load-replica': 'its queue is long enough to pay for one more copy',
  prefetch: 'it will be needed soon and nothing that is ready is missing',
  'make-room': 'it is the cheapest to bring back of those that may go',
  'run-interactive': 'interactive items come first',
  'run-overdue': 'its oldest item has waited longer than policy.maxWait',
  'run-best': 'its next batch owes the most waiting per second of compute',
}

/** `its queue deserves the device most (12 ready)`. */
export function formatReason({ rule, figures }: Reason): string {
  const { readyCount, lateMs, victimBytes, neededBytes, loadFailureCount } = figures
  const details = [
    readyCount === undefined ? [] : [`${readyCount} ready`],
    lateMs === undefined ? [] : [`${formatMs(lateMs)} late`],
    victimBytes === undefined ? [] : [`gives ${formatBytes(victimBytes)}`],
    neededBytes === undefined ? [] : [`${formatBytes(neededBytes)} needed`],
    loadFailureCount === undefined ? [] : [`${loadFailureCount} times`],
  ].flat()
  return details.length > 0 ? `${sentences[rule]} (${details.join(', ')})` : sentences[rule]
}
