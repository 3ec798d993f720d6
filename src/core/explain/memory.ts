// What is not as it should be with memory, in sentences with the size and what comes next. From the state
// that decides:
//
//   a device on which nothing is put   it is not well, or was not read lately
//   bytes that are not there           held beyond the books (a deficit), taken by others, not given back
//                                      (quarantined)
//   bytes that go missing              after unloads, or batch after batch in an instance (leaks)
//   a model                            its loads failed, or its batches ran out of memory

import { isLeaking } from '../decide/retirement.ts'
import { View } from '../decide/view.ts'
import { cleanBatches } from '../state/batch-limit.ts'
import { bookedBytes } from '../state/ledger.ts'
import type { BatchLimit, DeviceState, InstanceState, ModelState, State } from '../state/state.ts'
import { formatBytes, formatMs } from '../units.ts'

/** Growth of foreign use by this share of the capacity is worth a word. Chosen, not measured. */
const grownRatio = 0.01

/** All that is to be said of a device; empty: its memory is as it should be. */
export function deviceNotes(state: State, device: DeviceState, nowMs: number): string[] {
  return [
    ...whyClosed(state, device, nowMs),
    ...lostBytes(device, nowMs),
    ...lateReleases(device, nowMs),
    ...leaks(device),
  ]
}

/** Why nothing at all is loaded on a device; empty: it may be. */
export function whyClosed(state: State, device: DeviceState, nowMs: number): string[] {
  const { id, fault, observedAtMs } = device
  if (fault !== null)
    return [`${id} is not well: ${fault}. What is on it goes, and nothing is loaded until it is well.`]
  if (!new View(state, nowMs).isStale(device)) return []
  const limit = formatMs(state.policy.staleAfter)
  return [
    `${id} was last read ${formatMs(nowMs - observedAtMs!)} ago; nothing is promised on a reading older than ${limit} (policy.staleAfter).`,
  ]
}

/** Bytes of the budget that no load can have: others took them, or they do not come back. */
export function lostBytes(device: DeviceState, nowMs: number): string[] {
  return [...deficit(device), ...foreignUse(device), ...quarantined(device, nowMs)]
}

/** Held beyond the books, and by whom. */
function deficit({ id, deficitBytes, instances }: DeviceState): string[] {
  if (deficitBytes === 0) return []
  const holders = instances.filter((each) => each.deficitBytes > 0)
  const names = holders.map((each) => `${each.id} ${formatBytes(each.deficitBytes)}`).join(', ')
  return [
    `${id}: ${formatBytes(deficitBytes)} more are held than booked (${names}); nothing new is loaded until there is room for them.`,
  ]
}

/** Foreign use that has grown since the first instance was loaded, or into what is booked. */
function foreignUse(device: DeviceState): string[] {
  const { id, foreignBytes, capacityBytes, unattributed, instances, ledger, budgetBytes } = device
  const first = instances.reduce<InstanceState | null>(
    (least, each) => (least && least.foreignBeforeBytes <= each.foreignBeforeBytes ? least : each),
    null,
  )
  const grownBytes = first ? foreignBytes - first.foreignBeforeBytes : 0
  const isOver = bookedBytes(ledger) > budgetBytes
  if (!isOver && grownBytes < capacityBytes * grownRatio) return []
  const who = unattributed
    ? 'others hold (or ours beyond the books: the driver does not tell)'
    : 'others hold'
  const grown = grownBytes > 0 ? `, ${formatBytes(grownBytes)} more than when ${first!.id} was loaded` : ''
  const begin = `${id}: ${who} ${formatBytes(foreignBytes)} of ${formatBytes(capacityBytes)}${grown}`
  if (!isOver) return [`${begin}.`]
  const overBytes = bookedBytes(ledger) - budgetBytes
  return [
    `${begin}; ${formatBytes(overBytes)} more are booked than may be. Idle instances go, what runs is left to finish, and nothing new is loaded.`,
  ]
}

/** Bytes of stopped instances that did not come back, with the cause. */
function quarantined({ id, instances }: DeviceState, nowMs: number): string[] {
  return instances
    .filter(({ phase }) => phase === 'quarantined')
    .map((each) => {
      const sinceMs = Math.max(0, nowMs - each.stoppedAtMs)
      return `${id}: ${formatBytes(each.bytes)} of ${each.id} have not come back for ${formatMs(sinceMs)}: ${causeOf(each)}. They are quarantined: booked until they are back, while the rest goes on.`
    })
}

/** Stopped instances whose bytes are late, once the cause is known. */
function lateReleases({ id, instances }: DeviceState, nowMs: number): string[] {
  return instances
    .filter(({ phase, releaseCause }) => phase === 'stopping' && releaseCause !== null)
    .map((each) => {
      const sinceMs = Math.max(0, nowMs - each.stoppedAtMs)
      return `${id}: ${formatBytes(each.bytes)} of ${each.id} are on their way back for ${formatMs(sinceMs)}: ${causeOf(each)}.`
    })
}

/** Why the memory of an instance that was stopped is not back. */
export function causeOf({ releaseCause }: InstanceState): string {
  return releaseCause ?? 'why is not known yet'
}

/** Unloads that left something behind, and instances that hold more and more. */
function leaks({ id, leak, instances }: DeviceState): string[] {
  const left =
    leak.count > 1
      ? [
          `${id}: after each of the last ${leak.count} unloads more was in use than before the load, ${formatBytes(leak.bytes)} in all; it counts as foreign use. Where this goes on, a driver or a process of its own keeps it.`,
        ]
      : []
  const growing = instances
    .filter(isLeaking)
    .map(
      (each) =>
        `${id}: ${each.id} holds more batch after batch, ${formatBytes(each.idlePeakBytes!)} by now and ${formatBytes(each.settledBytes!)} when it had settled; it is loaded anew when it rests.`,
    )
  return [...left, ...growing]
}

/** What is to be said of a model's loads and batches; empty: nothing. */
export function modelNotes(state: State, each: ModelState, nowMs: number): string[] {
  return [...whyNotTried(state, each, nowMs), ...each.batchLimits.map((limit) => batchLimit(each, limit))]
}

/** Why a model that could be loaded is not; empty: it may be. */
export function whyNotTried(state: State, each: ModelState, nowMs: number): string[] {
  const { model, needsRoom, loadError, loadFailureCount, isBroken, coolUntilMs } = each
  if (needsRoom)
    return [
      `The last load of ${model.id} ran out of memory (${loadError}); it is tried once more when what can go is gone.`,
    ]
  if (isBroken)
    return [`${model.id} could not be loaded (${loadError}); another try would end alike, so its items fail.`]
  if (loadFailureCount === 0 || nowMs >= coolUntilMs) return []
  const { maxLoadFailures } = state.policy
  const times = loadFailureCount > 1 ? `, ${loadFailureCount} times in a row` : ''
  const end =
    loadFailureCount >= maxLoadFailures
      ? 'its items fail'
      : `after ${maxLoadFailures} failures its items fail`
  return [
    `${model.id} could not be loaded (${loadError})${times}; the next try is in ${formatMs(coolUntilMs - nowMs)}, and ${end}.`,
  ]
}

/** Why batches of a model are smaller than they may be. */
function batchLimit({ model }: ModelState, limit: BatchLimit): string {
  const { kind, isForMemory, itemCount, cleanCount, beforeCount } = limit
  const why = isForMemory ? 'larger ones ran out of memory' : 'larger ones ended with their worker'
  const search =
    beforeCount === null ? '' : ' Whether one item is to blame is being found out: it would fail alone.'
  return `${model.id}: batches of at most ${itemCount} on ${kind} instead of ${model.batch.max}, since ${why}; one more item after every ${cleanBatches} in a row that go well (${cleanCount} have).${search}`
}
