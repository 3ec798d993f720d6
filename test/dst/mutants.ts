// Can the checks fail? Each mutant breaks one rule of the daemon or the core, in a copy of the source, and the scenarios
// and the first seeds are run on it: `node test/dst/mutants.ts [NAME…] [--seeds 100]`. A mutant that nothing catches is a
// rule that nobody checks. The first part brings back the bugs that seeds have found.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'

type Change = readonly [file: string, before: string, after: string]

const mutants: Record<string, readonly Change[]> = {
  // ── bugs that were found ──
  'starts before devices are read': [
    ['daemon/daemon.ts', '  start(): void {\n', '  start(): void {\n    this.#hasObserved = true\n    this.queuesChanged()\n'],
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
    ['daemon/answers.ts', "      answered.add(id)\n      waiting.push({ type: 'release'", "      waiting.push({ type: 'release'"],
  ],
  'releases what another parent is about to end': [['core/work/graph.ts', ' && (work.length === 0 || !badEdge(child))', '']],
  'a booking of nothing needs headroom': [
    ['core/state/ledger.ts', "bytes === 0 || bytes <= headroomBytes(device),\n    `a batch", "bytes <= headroomBytes(device),\n    `a batch"],
  ],
  'waits for what can never run': [
    ['core/decide/decide.ts', 'const excess = needsDevice(each) ?', 'const excess = needsDevice(each) && each.footprints.length > 0 ?'],
  ],
  'what leaves needs room for its batches': [
    ['core/decide/room.ts', 'Math.min(device.slots, residentCount)', 'Math.min(device.slots, device.instances.length + 1)'],
    ['core/decide/room.ts', 'leastMissingBytes > heldBytes && device.unattributed === null', 'device.unattributed === null'],
  ],
  'quarantined memory keeps others out': [
    ['core/state/ledger.ts', 'return bytes - pinnedBytes(device) - stuckBytes(device)', 'return bytes - pinnedBytes(device)'],
  ],
  'nobody makes room for a batch': [['core/decide/decide.ts', 'if (blockers) return', 'if (blockers && false) return']],
  'time follows the wall clock': [['daemon/clock.ts', 'Math.floor(startMs + machine.steadyMs())', 'machine.wallMs() + 0 * startMs']],
  'time goes back over a store': [['daemon/clock.ts', 'Math.max(machine.wallMs(), notBeforeMs)', 'machine.wallMs() + 0 * notBeforeMs']],
  'close waits for memory for ever': [
    ['daemon/instances.ts', 'await within(this.#clock, limitMs, Promise.all([...this.live.keys()].map((id) => this.stop(id))))', 'await Promise.all([...this.live.keys()].map((id) => this.stop(id))).then(() => within(this.#clock, limitMs, Promise.resolve()))'],
  ],
  'close does not wait for the last writes': [['daemon/daemon.ts', 'Promise.all([readingEnds, ...this.#works])', 'readingEnds']],
  'close does not wait for the last reading': [['daemon/daemon.ts', 'Promise.all([readingEnds, ...this.#works])', 'Promise.all(this.#works)']],
  'what is due wakes the daemon while it reads': [['daemon/heads.ts', 'return this.#reading ? Number.POSITIVE_INFINITY : this.#dueAtMs', 'return this.#dueAtMs']],
  'a sweep forgets the retries recorded meanwhile': [['daemon/heads.ts', 'if (nextAtMs !== null) this.dueAt(nextAtMs)', 'this.#dueAtMs = nextAtMs ?? Number.POSITIVE_INFINITY']],
  'a batch beside a broken one is charged': [['daemon/instances.ts', 'if (live) live.isAsked = true', '']],
  'tells of memory after close': [
    ['daemon/instances.ts', 'if (!this.#waits.areOver) emit(event)', 'emit(event)'],
    ['daemon/instances.ts', '    if (!isBack) return\n', '    void isBack\n'],
  ],
  'what a batch held is free when its worker dies': [['core/state/batches.ts', 'if (isLeaving && ', 'if (isLeaving && false && ']],
  'runs a batch on an instance that has ended': [['daemon/batch.ts', '!live || live.ending', '!live']],
  'batches are promised memory on an old reading': [['core/decide/batching.ts', '  if (view.isStale(device)) return 0\n', '']],
  'what may be ours is foreign for ever': [['core/state/ledger.ts', 'unattributed !== null && instances.some(mayLeave)', 'false && instances.some(mayLeave)']],
  'what was there before us has never gone': [['devices/card.ts', 'else if (aloneBytes !== null) aloneBytes = Math.min(aloneBytes, usedBytes)', '']],
  'what is back must be what was booked': [['daemon/release.ts', ' || reading.usedBytes <= othersBytes', '']],
  'loads ahead into room that is waited for': [['core/decide/prefetch.ts', 'stuck > 0 && view.missing.some(waits)', 'false']],
  'the peak of a load stays booked': [['core/state/footprint.ts', 'return isKnown ? Math.min(bytes', 'return isKnown && batchCount > 0 ? Math.min(bytes']],
  'a load that leaves no room for a batch went well': [['core/state/apply.ts', "reason.rule === 'no-room' && instance.batchCount === 0", "reason.rule === 'no-room' && instance.batchCount < 0"]],
  'what has no place beside the pinned waits': [['core/decide/admission.ts', 'return lineBytes(device) - pinnedBytes(device)', 'return lineBytes(device)']],
  'room for a batch of each in every slot beside the pinned': [['core/decide/room.ts', 'leastMissingBytes > heldBytes && device.unattributed === null', 'device.unattributed === null']],
  'what is quarantined and idle wakes the daemon': [['core/decide/decide.ts', "instance.phase === 'ready' && !state.isDraining", "instance.phase !== 'starting' && !state.isDraining"]],
  'what is idle wakes a daemon that drains': [['core/decide/decide.ts', "instance.phase === 'ready' && !state.isDraining", "instance.phase === 'ready'"]],
  'after an empty claim nothing is idle': [['core/state/batches.ts', '    endBatch(state, batch)\n    recordIdle(model, atMs)', '    endBatch(state, batch)']],
  'a preload does not wait for the memory it ran out of': [['core/decide/prefetch.ts', "planLoad(lane, { model, rule: 'preload', worth: 0 }, []) : null", "{ step: 'load', model, rule: 'preload', worth: 0 } : null"]],
  'a preload that needs no device takes one': [
    ['core/decide/prefetch.ts', 'needsDevice(each) && leastBytesOn', 'leastBytesOn'],
    ['core/decide/placement.ts', '(each.readyCount > 0 || view.preloads.includes(each))', 'each.readyCount > 0'],
  ],
  'what went for being idle is loaded ahead': [['core/decide/view.ts', 'waitMs < 1e9 && staysFor(model, waitMs)', 'waitMs < 1e9']],
  'a batch that needs nothing needs headroom': [['core/decide/batching.ts', 'Math.max(0, headroomBytes(device)) // fewer items may need nothing', 'headroomBytes(device)']],
  'a batch that time makes smaller needs no room': [['core/decide/batching.ts', 'fittingCount(view, instance, countInTime(view, instance, urgency, mostCount)) || mostCount', 'countInTime(view, instance, urgency, mostCount)']],
  'what was leaked is booked for the next instance': [['core/state/learning.ts', 'if (settledBytes !== null && growth.count >= growthsOfALeak)', 'if (growth.count < 0)']],
  'what has grown counts in each peak': [['core/state/batches.ts', 'return freshBytes === null ? 0 : Math.max(0, (beforeBatchBytes ?? 0) - freshBytes)', 'return 0 * (beforeBatchBytes ?? 0)']],
  'one item needs as much as many': [['core/state/footprint.ts', 'if (size.itemCount >= 2 * itemCount) {', 'if (size.itemCount < 0) {']],
  'a device that was never read is too small': [['core/decide/admission.ts', 'isUnread || ', '']],
  'a peak that is too low hides what is held': [['core/state/observe.ts', 'Math.max(bytes, peakByInstance[instance.id] ?? 0)', 'peakByInstance[instance.id] ?? bytes']],
  'a broken instance takes batches until its answers are recorded': [['daemon/answers.ts', '  if (failure !== null) onFailure(failure)\n  await writing.then(write)\n', '  await writing.then(write)\n  if (failure !== null) onFailure(failure)\n']],

  // ── the daemon ──
  'leases of a killed daemon are not given back': [['daemon/recovery.ts', 'await store.releaseAll(clock.nowMs())', 'clock.nowMs()']],
  'leftovers are not awaited': [['daemon/recovery.ts', 'await parts.reapLeftovers()', '(parts.reapLeftovers(), 0 as never)']],
  'superseded items do not come back': [['daemon/jobs.ts', 'back.length > 0', 'back.length < 0']],
  'bytes are free when a stop is asked for': [['daemon/release.ts', 'if (isGone) break', 'return true']],
  'bytes are free when the process is gone': [['daemon/release.ts', 'if (!device || group === null) return true', 'if (device !== undefined) return true']],
  'a crash is not noticed': [['daemon/instances.ts', 'if (!live.ending) await this.#failed(instanceId, exit.cause)', 'exit.cause']],
  'a second answer is taken': [['daemon/answers.ts', 'if (!item || answered.has(answer.id)) return', 'if (!item) return']],
  'answers that never come are forgotten': [
    ['daemon/answers.ts', "take({ type: 'error', id, error, retryable: !(hasCrashed && isSuspect) })", 'error'],
  ],
  'a stop that was asked for costs an attempt': [['daemon/answers.ts', 'isAlone ? !live.isAsked : answer.failure === null', 'true']],
  'no sign of life during a batch': [['daemon/answers.ts', 'const stopBeating = keepLease(claim.token, context)', 'const stopBeating = () => {}']],
  'heads are not read after a write': [['daemon/daemon.ts', 'this.#options.onOutcomes?.(outcomes)\n    this.queuesChanged()', 'this.#options.onOutcomes?.(outcomes)']],
  'no timer for retries': [['daemon/daemon.ts', 'Math.min(wakeAtMs ?? Number.POSITIVE_INFINITY, this.#heads.dueAtMs)', 'wakeAtMs ?? Number.POSITIVE_INFINITY']],
  'finishes before its batches are recorded': [['daemon/daemon.ts', ' || this.#works.size > 0) return', ') return']],
  'an error of the store is swallowed': [['daemon/answers.ts', 'if (storeError !== null) throw storeError', 'storeError']],
  'a drain never ends': [['daemon/run.ts', 'if (state.isDraining) return true', '']],
  'a claim for an instance that is gone is kept': [['daemon/batch.ts', 'await giveBack(claim, context)', '']],
  'an item is charged for the memory that another wanted': [['daemon/answers.ts', 'isForMemory && !isAlone', 'isForMemory && isAlone']],
  'an item is charged for the worker that another killed': [['daemon/answers.ts', 'if (isAlone ? !live.isAsked : answer.failure === null)', 'if (isAlone || !live.isAsked)']],
  'what runs out of memory alone is tried again': [['daemon/answers.ts', 'isForMemory ? { ...answer, retryable: false } : answer', 'answer']],
  'a process that cannot be killed is not named': [['daemon/release.ts', '    delayed(instance.remains())', '']],
  'a process that cannot be killed is forgotten': [['daemon/release.ts', 'if (isGone) break', 'if (isGone || passedMs() > 20_000) break']],
  'what was learned does not outlive the daemon': [['daemon/daemon.ts', 'restoreProfiles(this.state, options.profiles ?? [])', 'restoreProfiles(this.state, [])']],

  // ── the core ──
  'an instance that leaks stays': [['core/decide/retirement.ts', ' ?? leaking(resting) ?? ', ' ?? ']],
  'an instance goes for growing once': [['core/decide/retirement.ts', 'if (growth.count < leakGrowths || settledBytes === null) return false', 'if (settledBytes === null) return false']],
  'what unloads leave behind is not told': [['core/state/observe.ts', '  watchForeign(device)', '']],
  'what is idle stays': [['core/decide/retirement.ts', 'return overTheLine(view, device, resting) ?? leaking(resting) ?? idle(view, resting)', 'return overTheLine(view, device, resting) ?? leaking(resting)']],
  'what is idle goes before its keepAlive': [['core/decide/retirement.ts', 'idleSinceMs + keepAliveMs', 'idleSinceMs + keepAliveMs / 2']],
  'what waits does not keep an instance from being idle': [['core/state/batches.ts', 'readyCount + claimingCount + blockedCount > 0', 'readyCount + claimingCount > 0']],
  'a pinned model is a victim': [['core/decide/eviction.ts', 'instance.runningCount > 0 || instance.model.model.isPinned', 'instance.runningCount > 0']],
  'a pinned model goes for the sake of the line': [['core/decide/retirement.ts', 'model.readyCount === 0 && !model.model.isPinned)\n  const needed', 'model.readyCount === 0)\n  const needed']],
  'what is to be there from the start is not': [['core/decide/placement.ts', 'choosePreload(lane) ?? choosePrefetch', 'choosePrefetch']],
  'a model without a size needs a byte': [['core/state/footprint.ts', 'return Math.max(1, allBytes, learnedBytes)', 'return Math.max(1, learnedBytes)']],
  'a batch that failed as a whole is not halved': [['core/state/batch-limit.ts', 'limit.itemCount = Math.min(limit.itemCount, Math.floor(itemCount / 2))', '']],
  'loads that run out of memory are never paused': [['core/state/apply.ts', 'const mayTryAgain = isOutOfMemory && !model.needsRoom', 'const mayTryAgain = isOutOfMemory']],
  'pauses after failed loads do not grow': [['core/state/apply.ts', '* 2 ** model.loadFailureCount)', ')']],
  'no pause after a failed load': [['core/decide/view.ts', 'this.nowMs >= coolUntilMs &&', '']],
  'a load that ran out of memory is tried again beside what is idle': [['core/decide/room.ts', 'if (idle.length > 0) return', 'if (idle.length > 99) return']],
  'a device that is not well is not emptied': [['core/decide/retirement.ts', 'if (device.fault !== null) return', 'if (device.fault === \'\') return']],
  'a device that is not well is used': [['core/decide/decide.ts', 'if (device.fault !== null) continue', '']],
  'nobody goes for the sake of the line': [['core/decide/retirement.ts', 'return overTheLine(view, device, resting) ??', 'return']],
  'what has work goes for the sake of the line': [['core/decide/retirement.ts', 'model.readyCount === 0 && !model.model.isPinned)\n  const needed', '!model.model.isPinned)\n  const needed']],
  'loads are promised memory on an old reading': [['core/decide/placement.ts', 'device.loading || view.isStale(device)', 'device.loading']],
  'a model goes for what it held while it was loaded': [['core/decide/eviction.ts', '(each.measuredBytes === null || each.beforeBatchBytes !== null)', 'each.measuredBytes !== -1']],
  'a batch books nothing': [['core/decide/decide.ts', 'bytes: activeBytesOn(instance.model, instance.device, maxCount)', 'bytes: 0']],
  'a load books half': [['core/decide/decide.ts', 'bytes: needsDevice(model) ? loadingBytesOn(model, device) : 0', 'bytes: Math.floor(loadingBytesOn(model, device) / 2)']],
  'foreign use is ignored': [['core/state/observe.ts', 'lineBytes(device) - device.foreignBytes', 'lineBytes(device) - 0 * device.foreignBytes']],
  'two loads in flight': [['core/decide/placement.ts', 'device.loading || view.isStale(device)', 'view.isStale(device)']],
  'a victim may run a batch': [['core/decide/eviction.ts', "instance.phase !== 'ready' || instance.runningCount > 0", "instance.phase !== 'ready'"]],
  'a failed load leaves its bytes booked twice': [['core/state/ledger.ts', "if (instance.phase === 'starting') ledger.reservedBytes -= instance.bytes\n  else", "if (instance.phase === 'starting') ledger.reservedBytes -= 0\n  else"]],
  'a model that cannot be loaded fails nobody': [['core/decide/decide.ts', 'overdueRelease(state, nowMs) ?? hopelessQueue(state) ??', 'overdueRelease(state, nowMs) ??']],
  'overdue memory is not put in quarantine': [['core/decide/decide.ts', 'overdueRelease(state, nowMs) ?? hopelessQueue(state)', 'hopelessQueue(state)']],
  'ordinary work never displaces a resident model': [['core/decide/eviction.ts', 'return isIdle || mayGo(view, instance, candidate)', 'return candidate.urgency > 0 && (isIdle || mayGo(view, instance, candidate))']],
  'a snapshot forgets whom room is made for': [['core/state/snapshot.ts', 'device.loading = loadingId', 'device.nextLoad = null\n  device.loading = loadingId']],
  'a snapshot forgets batches whose instance is gone': [['core/state/snapshot.ts', 'for (const { instanceId, ...rest } of snapshot.batches)', 'for (const { instanceId, ...rest } of snapshot.batches.filter((each) => !gone.has(each.instanceId)))']],
  'a snapshot forgets how often a model was loaded': [['core/state/snapshot.ts', 'loads.restore(rest.declared.id, loads, loadCount)', 'loads.restore(rest.declared.id, loads)']],
  'a stale token is accepted': [['core/work/claims.ts', 'if (!claim) return null\n', 'if (!claim) return this.#nodes.find(id)\n']],
  'an attempt too many': [['core/work/graph.ts', 'node.attempt < node.item.maxAttempts) {', 'node.attempt <= node.item.maxAttempts) {']],
  'a dependent is released with one parent open': [['core/work/graph.ts', 'else if (child.openCount === 0 &&', 'else if (child.openCount <= 1 &&']],
  'a done item is given out again': [['core/work/graph.ts', 'for (const node of nodes) this.#giveBack(node, node.attempt - 1, nowMs)\n    return nodes.length', "for (const node of this.#nodes.all()) if (node.state === 'done') this.#makeReady(node, nowMs)\n    return nodes.length"]],
} // biome-ignore format: a table

const root = resolve(import.meta.dirname, '../..')
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seeds: { type: 'string', default: '100' } },
})
const chosen = positionals.length > 0 ? positionals : Object.keys(mutants)
let missedCount = 0
for (const name of chosen) {
  const sentence = catchMutant(name, mutants[name]!)
  if (sentence === null) missedCount++
  console.log(`${name}: ${sentence ?? 'NOT CAUGHT'}`)
}
console.log(`${chosen.length} mutants, ${missedCount} not caught`)
process.exitCode = missedCount === 0 ? 0 : 1

/** What caught it, or null. */
function catchMutant(name: string, changes: readonly Change[]): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-mutant-'))
  try {
    for (const each of ['src', 'test/dst', 'package.json'])
      cpSync(join(root, each), join(folder, each), { recursive: true })
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
    for (const [file, before, after] of changes) {
      const path = join(folder, 'src', file)
      const text = readFileSync(path, 'utf8')
      if (text.split(before).length !== 2) throw new Error(`${name}: ${file} has not exactly one "${before}"`)
      writeFileSync(
        path,
        text.replace(before, () => after),
      )
    }
    const { stdout } = spawnSync(process.execPath, ['test/dst/soak.ts', values.seeds], {
      cwd: folder,
      encoding: 'utf8',
      maxBuffer: 1 << 28,
      timeout: 600_000,
    })
    return firstOf(stdout)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** `two-slots and 4 of 100 seeds: the first sentence`. */
function firstOf(stdout: string): string | null {
  const lines = stdout.split('\n')
  const commands = lines.flatMap((line, index) => (line.startsWith('  node test/dst/run.ts') ? [index] : []))
  if (commands.length === 0) return stdout.includes('violations') ? null : 'it does not run'
  const byScenario = commands.filter((index) => lines[index]!.includes('--scenario'))
  const first = byScenario[0] ?? commands[0]!
  const names = byScenario.map((index) => /--scenario (\S+)/.exec(lines[index]!)![1])
  const who = names.length > 2 ? `${names.length} scenarios` : names.join(', ')
  return `${who ? `${who} and ` : ''}${commands.length - names.length} of ${values.seeds} seeds: ${lines[first - 1]}`
}
