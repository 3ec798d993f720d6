// Breaks rules of the decision: who is loaded, who goes, and how much is run.
import type { Mutants } from './mutant.ts'

export const decisionMutants: Mutants = {
  'an instance that leaks stays': [['core/decide/retirement.ts', ' ?? leaking(resting) ?? ', ' ?? ']],
  'an instance goes for growing once': [
    [
      'core/decide/retirement.ts',
      'if (growth.count < leakGrowths || settledBytes === null) return false',
      'if (settledBytes === null) return false',
    ],
  ],
  'what is idle stays': [
    [
      'core/decide/retirement.ts',
      'return overTheLine(view, device, resting) ?? leaking(resting) ?? idle(view, resting)',
      'return overTheLine(view, device, resting) ?? leaking(resting)',
    ],
  ],
  'what is idle goes before its keepAlive': [
    ['core/decide/retirement.ts', 'idleSinceMs + keepAliveMs', 'idleSinceMs + keepAliveMs / 2'],
  ],
  'a pinned model is a victim': [
    [
      'core/decide/eviction.ts',
      'instance.runningCount > 0 || instance.model.model.isPinned',
      'instance.runningCount > 0',
    ],
  ],
  'a pinned model goes for the sake of the line': [
    [
      'core/decide/retirement.ts',
      'model.readyCount === 0 && !model.model.isPinned)\n  const needed',
      'model.readyCount === 0)\n  const needed',
    ],
  ],
  'what is to be there from the start is not': [
    ['core/decide/placement.ts', 'choosePreload(lane) ?? choosePrefetch', 'choosePrefetch'],
  ],
  'no pause after a failed load': [['core/decide/view.ts', 'this.nowMs >= model.coolUntilMs &&', '']],
  'a load that ran out of memory is tried again beside what is idle': [
    ['core/decide/room.ts', 'if (idle.length > 0) return', 'if (idle.length > 99) return'],
  ],
  'a device that is not well is not emptied': [
    ['core/decide/retirement.ts', 'if (device.fault !== null) return', "if (device.fault === '') return"],
  ],
  'a device that is not well is used': [['core/decide/decide.ts', 'if (device.fault !== null) continue', '']],
  'nobody goes for the sake of the line': [
    ['core/decide/retirement.ts', 'return overTheLine(view, device, resting) ??', 'return'],
  ],
  'what has work goes for the sake of the line': [
    [
      'core/decide/retirement.ts',
      'model.readyCount === 0 && !model.model.isPinned)\n  const needed',
      '!model.model.isPinned)\n  const needed',
    ],
  ],
  'loads are promised memory on an old reading': [
    ['core/decide/placement.ts', 'device.loading || view.isStale(device)', 'device.loading'],
  ],
  'a model goes for what it held while it was loaded': [
    [
      'core/decide/eviction.ts',
      '(each.measuredBytes === null || each.beforeBatchBytes !== null)',
      'each.measuredBytes !== -1',
    ],
  ],
  'a batch books nothing': [
    ['core/decide/decide.ts', 'bytes: activeBytesOn(instance.model, instance.device, maxCount)', 'bytes: 0'],
  ],
  'a load books half': [
    [
      'core/decide/decide.ts',
      'bytes: needsDevice(model) ? loadingBytesOn(model, device) : 0',
      'bytes: Math.floor(loadingBytesOn(model, device) / 2)',
    ],
  ],
  'two loads in flight': [
    ['core/decide/placement.ts', 'device.loading || view.isStale(device)', 'view.isStale(device)'],
  ],
  'a victim may run a batch': [
    [
      'core/decide/eviction.ts',
      "instance.phase !== 'ready' || instance.runningCount > 0",
      "instance.phase !== 'ready'",
    ],
  ],
  'a model that cannot be loaded fails nobody': [
    [
      'core/decide/decide.ts',
      'overdueRelease(state, nowMs) ?? hopelessQueue(state) ??',
      'overdueRelease(state, nowMs) ??',
    ],
  ],
  'overdue memory is not put in quarantine': [
    ['core/decide/decide.ts', 'overdueRelease(state, nowMs) ?? hopelessQueue(state)', 'hopelessQueue(state)'],
  ],
  'ordinary work never displaces a resident model': [
    [
      'core/decide/eviction.ts',
      'return isIdle || mayGo(view, instance, candidate)',
      'return candidate.urgency > 0 && (isIdle || mayGo(view, instance, candidate))',
    ],
  ],
}
