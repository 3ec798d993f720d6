// Breaks rules of what the core knows: bookings, readings, and what is learned from them.
import type { Mutants } from './mutant.ts'

export const stateMutants: Mutants = {
  'what unloads leave behind is not told': [['core/state/observe.ts', '  watchForeign(device)', '']],
  'what waits does not keep an instance from being idle': [
    [
      'core/state/batches.ts',
      'readyCount + claimingCount + blockedCount > 0',
      'readyCount + claimingCount > 0',
    ],
  ],
  'a model without a size needs a byte': [
    [
      'core/state/footprint.ts',
      'return Math.max(1, allBytes, learnedBytes)',
      'return Math.max(1, learnedBytes)',
    ],
  ],
  'a batch that failed as a whole is not halved': [
    [
      'core/state/batch-limit.ts',
      'limit.itemCount = Math.min(limit.itemCount, Math.floor(itemCount / 2))',
      '',
    ],
  ],
  'loads that run out of memory are never paused': [
    [
      'core/state/apply.ts',
      'const mayTryAgain = isOutOfMemory && !model.needsRoom',
      'const mayTryAgain = isOutOfMemory',
    ],
  ],
  'a load that failed for good is tried again': [
    ['core/state/apply.ts', 'model.isBroken = isFinal && !isOutOfMemory', ''],
  ],
  'pauses after failed loads do not grow': [['core/state/apply.ts', '* 2 ** model.loadFailureCount)', ')']],
  'foreign use is ignored': [
    [
      'core/state/observe.ts',
      'lineBytes(device) - device.foreignBytes',
      'lineBytes(device) - 0 * device.foreignBytes',
    ],
  ],
  'a failed load leaves its bytes booked twice': [
    [
      'core/state/ledger.ts',
      "if (instance.phase === 'starting') ledger.reservedBytes -= instance.bytes\n  else",
      "if (instance.phase === 'starting') ledger.reservedBytes -= 0\n  else",
    ],
  ],
  'a snapshot forgets whom room is made for': [
    [
      'core/state/snapshot.ts',
      'device.loading = loadingId',
      'device.nextLoad = null\n  device.loading = loadingId',
    ],
  ],
  'a snapshot forgets batches whose instance is gone': [
    [
      'core/state/snapshot.ts',
      'for (const { instanceId, ...rest } of snapshot.batches)',
      'for (const { instanceId, ...rest } of snapshot.batches.filter((each) => !gone.has(each.instanceId)))',
    ],
  ],
  'a snapshot forgets how often a model was loaded': [
    [
      'core/state/snapshot.ts',
      'loads.restore(rest.declared.id, loads, loadCount)',
      'loads.restore(rest.declared.id, loads)',
    ],
  ],
}
