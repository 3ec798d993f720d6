// Brings back the bugs that seeds have found.
import type { Mutants } from './mutant.ts'

export const foundBugs: Mutants = {
  'starts before devices are read': [
    [
      'daemon/daemon.ts',
      '  start(): void {\n',
      '  start(): void {\n    this.#hasObserved = true\n    this.queuesChanged()\n',
    ],
  ],
  'a refused reading ends the daemon': [
    ['daemon/readings.ts', '        .catch(() => {}) // no reading\n', ''],
  ],
  'a refused reading while memory is awaited is an error': [
    ['daemon/readings.ts', '      () => {}, // no reading\n', ''],
  ],
  'tells of outcomes that the store refused': [
    ['daemon/answers.ts', 'outcomes.filter(({ id }) => isAccepted.has(id))', 'outcomes'],
  ],
  'takes an answer of an item that was given back': [
    [
      'daemon/answers.ts',
      "    this.#answered.add(id)\n    this.#waiting.push({ type: 'release'",
      "    this.#waiting.push({ type: 'release'",
    ],
  ],
  'releases what another parent is about to end': [
    ['core/work/transitions.ts', ' && (work.length === 0 || this.#badEnd(child) === null)', ''],
  ],
  'a booking of nothing needs headroom': [
    [
      'core/state/ledger.ts',
      'bytes === 0 || bytes <= headroomBytes(device),\n    `a batch',
      'bytes <= headroomBytes(device),\n    `a batch',
    ],
  ],
  'waits for what can never run': [
    [
      'core/decide/decide.ts',
      'const excess = needsDevice(each) ?',
      'const excess = needsDevice(each) && each.footprints.length > 0 ?',
    ],
  ],
  'what leaves needs room for its batches': [
    [
      'core/decide/room.ts',
      'Math.min(device.slots, residentCount)',
      'Math.min(device.slots, device.instances.length + 1)',
    ],
    [
      'core/decide/room.ts',
      'leastMissingBytes > heldBytes && device.unattributed === null',
      'device.unattributed === null',
    ],
  ],
  'quarantined memory keeps others out': [
    [
      'core/state/ledger.ts',
      'return bytes - pinnedBytes(device) - stuckBytes(device)',
      'return bytes - pinnedBytes(device)',
    ],
  ],
  'nobody makes room for a batch': [
    ['core/decide/decide.ts', 'if (blockers) return', 'if (blockers && false) return'],
  ],
  'time follows the wall clock': [
    ['daemon/clock.ts', 'Math.floor(startMs + machine.steadyMs())', 'machine.wallMs() + 0 * startMs'],
  ],
  'time goes back over a store': [
    ['daemon/clock.ts', 'Math.max(machine.wallMs(), notBeforeMs)', 'machine.wallMs() + 0 * notBeforeMs'],
  ],
  'close waits for memory for ever': [
    [
      'daemon/instances.ts',
      'await within(this.#clock, limitMs, Promise.all([...this.live.keys()].map((id) => this.stop(id))))',
      'await Promise.all([...this.live.keys()].map((id) => this.stop(id))).then(() => within(this.#clock, limitMs, Promise.resolve()))',
    ],
  ],
  'close does not wait for the last writes': [
    ['daemon/daemon.ts', 'Promise.all([readingEnds, ...this.#works])', 'readingEnds'],
  ],
  'close does not wait for the last reading': [
    ['daemon/daemon.ts', 'Promise.all([readingEnds, ...this.#works])', 'Promise.all(this.#works)'],
  ],
  'what is due wakes the daemon while it reads': [
    [
      'daemon/heads.ts',
      'return this.#reading ? Number.POSITIVE_INFINITY : this.#dueAtMs',
      'return this.#dueAtMs',
    ],
  ],
  'a sweep forgets the retries recorded meanwhile': [
    [
      'daemon/heads.ts',
      'if (nextAtMs !== null) this.dueAt(nextAtMs)',
      'this.#dueAtMs = nextAtMs ?? Number.POSITIVE_INFINITY',
    ],
  ],
  'a batch beside a broken one is charged': [['daemon/instances.ts', 'if (live) live.isAsked = true', '']],
  'tells of memory after close': [
    ['daemon/instances.ts', 'if (!this.#waits.areOver) emit(event)', 'emit(event)'],
    ['daemon/instances.ts', '    if (!isBack) return\n', '    void isBack\n'],
  ],
  'what a batch held is free when its worker dies': [
    ['core/state/batches.ts', 'if (isLeaving && ', 'if (isLeaving && false && '],
  ],
  'runs a batch on an instance that has ended': [['daemon/batch.ts', '!live || live.ending', '!live']],
  'batches are promised memory on an old reading': [
    ['core/decide/batching.ts', '  if (view.isStale(device)) return 0\n', ''],
  ],
  'what may be ours is foreign for ever': [
    [
      'core/state/ledger.ts',
      'unattributed !== null && instances.some(mayLeave)',
      'false && instances.some(mayLeave)',
    ],
  ],
  'what was there before us has never gone': [
    ['devices/card.ts', 'else if (aloneBytes !== null) aloneBytes = Math.min(aloneBytes, usedBytes)', ''],
  ],
  'what is back must be what was booked': [['daemon/release.ts', ' || reading.usedBytes <= othersBytes', '']],
  'loads ahead into room that is waited for': [
    ['core/decide/prefetch.ts', 'stuck > 0 && view.missing.some(waits)', 'false'],
  ],
  'the peak of a load stays booked': [
    [
      'core/state/footprint.ts',
      'return isKnown ? Math.min(bytes',
      'return isKnown && batchCount > 0 ? Math.min(bytes',
    ],
  ],
  'a load that leaves no room for a batch went well': [
    [
      'core/state/apply.ts',
      "reason.rule === 'no-room' && instance.batchCount === 0",
      "reason.rule === 'no-room' && instance.batchCount < 0",
    ],
  ],
  'what has no place beside the pinned waits': [
    [
      'core/decide/admission.ts',
      'return lineBytes(device) - pinnedBytes(device)',
      'return lineBytes(device)',
    ],
  ],
  'room for a batch of each in every slot beside the pinned': [
    [
      'core/decide/room.ts',
      'leastMissingBytes > heldBytes && device.unattributed === null',
      'device.unattributed === null',
    ],
  ],
  'what is quarantined and idle wakes the daemon': [
    [
      'core/decide/decide.ts',
      "instance.phase === 'ready' && !state.isDraining",
      "instance.phase !== 'starting' && !state.isDraining",
    ],
  ],
  'what is idle wakes a daemon that drains': [
    [
      'core/decide/decide.ts',
      "instance.phase === 'ready' && !state.isDraining",
      "instance.phase === 'ready'",
    ],
  ],
  'after an empty claim nothing is idle': [
    [
      'core/state/batches.ts',
      '    endBatch(state, batch)\n    recordIdle(model, atMs)',
      '    endBatch(state, batch)',
    ],
  ],
  'a preload does not wait for the memory it ran out of': [
    [
      'core/decide/prefetch.ts',
      "planLoad(lane, { model, rule: 'preload', worth: 0 }, []) : null",
      "{ step: 'load', model, rule: 'preload', worth: 0 } : null",
    ],
  ],
  'a preload that needs no device takes one': [
    ['core/decide/prefetch.ts', 'needsDevice(each) && leastBytesOn', 'leastBytesOn'],
    [
      'core/decide/placement.ts',
      '(each.readyCount > 0 || view.preloads.includes(each))',
      'each.readyCount > 0',
    ],
  ],
  'what went for being idle is loaded ahead': [
    ['core/decide/view.ts', 'waitMs < farMs && staysFor(model, waitMs)', 'waitMs < farMs'],
  ],
  'a batch that needs nothing needs headroom': [
    [
      'core/decide/batching.ts',
      'Math.max(0, headroomBytes(device)) // fewer items may need nothing',
      'headroomBytes(device)',
    ],
  ],
  'a batch that time makes smaller needs no room': [
    [
      'core/decide/batching.ts',
      'fittingCount(view, instance, countInTime(view, instance, urgency, mostCount)) || mostCount',
      'countInTime(view, instance, urgency, mostCount)',
    ],
  ],
  'what was leaked is booked for the next instance': [
    [
      'core/state/learning.ts',
      'if (settledBytes !== null && growth.count >= growthsOfALeak)',
      'if (growth.count < 0)',
    ],
  ],
  'what has grown counts in each peak': [
    [
      'core/state/batches.ts',
      'return freshBytes === null ? 0 : Math.max(0, (beforeBatchBytes ?? 0) - freshBytes)',
      'return 0 * (beforeBatchBytes ?? 0)',
    ],
  ],
  'one item needs as much as many': [
    ['core/state/footprint.ts', 'if (size.itemCount >= 2 * itemCount) {', 'if (size.itemCount < 0) {'],
  ],
  'a device that was never read is too small': [['core/decide/admission.ts', 'isUnread || ', '']],
  'a peak that is too low hides what is held': [
    [
      'core/state/observe.ts',
      'Math.max(bytes, peakByInstance[instance.id] ?? 0)',
      'peakByInstance[instance.id] ?? bytes',
    ],
  ],
  'a broken instance takes batches until its answers are recorded': [
    [
      'daemon/answers.ts',
      '  if (failure !== null) onFailure(failure)\n  await answers.written()\n',
      '  await answers.written()\n  if (failure !== null) onFailure(failure)\n',
    ],
  ],
}
