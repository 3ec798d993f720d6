// Answers in sentences. Why a command was chosen: from its rule and the figures that the rule saw. Why an
// item waits: from the state that decides, its place in the queue, where its model is, who holds the bytes,
// which rule prefers another model, and the wait bound.
import { chooseBatch } from '../decide/batching.ts'
import { doneMs } from '../decide/eviction.ts'
import { chooseLoad } from '../decide/placement.ts'
import { missingBytesOn } from '../decide/room.ts'
import { View } from '../decide/view.ts'
import type { ItemError } from '../errors.ts'
import { type ModelId, runMs } from '../model.ts'
import { clearMs, unservedCount, visitIsOver } from '../state/estimates.ts'
import type { Reason, RuleId } from '../state/events.ts'
import { activeBytesOn, leastBytesOn, needsDevice } from '../state/footprint.ts'
import { headroomBytes, offeredBytes } from '../state/ledger.ts'
import {
  cpuDeviceId,
  type DeviceState,
  type InstanceState,
  type ModelState,
  modelOf,
  type State,
} from '../state/state.ts'
import { formatBytes, formatMs } from '../units.ts'
import { hasEnded, type ItemId, type ItemState } from '../work/item.ts'
import { outside } from '../work/queues.ts'
import { causeOf, lostBytes, modelNotes, whyClosed, whyNotTried } from './memory.ts'

/** What each rule says of the model that it chose. */
const sentences: Record<RuleId, string> = {
  shutdown: 'the run is over',
  'release-overdue': 'its memory did not come back in time',
  'loads-failed': 'it failed to load too often in a row',
  'cannot-load': 'it cannot be loaded, and another try would end alike',
  'load-interactive': 'an interactive item waits for it',
  'load-urgent': 'an item would miss its deadline',
  'load-overdue': 'an item has waited longer than policy.maxWait for it',
  'load-best': 'its queue deserves the device most',
  'load-filler': 'it is there before the visits end that make room for another',
  'load-copy': 'its queue is long enough to pay for one more copy',
  prefetch: 'it will be needed soon and nothing that is ready is missing',
  'make-room': 'it is the cheapest to bring back of those that may go',
  'over-the-line': 'more is held on the device than may be',
  idle: 'nothing has waited for it for as long as its keepAlive',
  leaks: 'it holds more and more memory',
  'device-fault': 'its device is not well',
  preload: 'it is to be there from the start',
  'never-fits': 'no device can ever offer what it needs',
  'no-room': 'another process has taken the room that batches need',
  'run-interactive': 'interactive items come first',
  'run-urgent': 'its first item would miss its deadline',
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
  const sentence = sentences[rule] ?? rule // a journal of another version may name a rule that is not here
  return details.length > 0 ? `${sentence} (${details.join(', ')})` : sentence
}

/** What the store knows of an item that waits. */
export interface WaitingItem {
  modelId: ModelId
  state: ItemState
  effectivePriority: number
  latestEndAtMs: number | null
  readyAtMs: number | null
  /** Of its last attempt. */
  error: ItemError | null
  /** Items it waits for that have not ended: their ids, models and states. */
  openDependencies: { id: ItemId; modelId: ModelId; state: ItemState }[]
}

/** A step that gathers waits for all of a run; so many of its dependencies are named. Chosen. */
const shownDependencies = 10

/** Why an item waits, most important first, each a sentence; from the data that decides. Cost: O(models +
 * instances). */
export function whyWaiting(state: State, item: WaitingItem, nowMs: number): string[] {
  if (hasEnded(item.state)) return [`It does not wait: it is ${item.state}.`]
  if (item.state === 'leased') return ['It does not wait: it runs now.']
  if (item.openDependencies.length > 0) return dependencySentences(item.openDependencies)
  if (item.state === 'scheduled') {
    const cause = item.error ? ` (${item.error.message})` : ''
    return [`Its last attempt failed${cause}; it is tried again after a pause that doubles each time.`]
  }
  if (item.state === 'blocked') return ['What it waits for has ended; it is being released.']
  const model = modelOf(state, item.modelId)
  return [
    ...placeInQueue(model, item),
    ...whyNotRunning(state, model, nowMs),
    ...waitBound(state, item, nowMs),
  ]
}

/** What a blocked item waits for, by name. */
function dependencySentences(open: WaitingItem['openDependencies']): string[] {
  const more = open.length - shownDependencies
  return [
    ...open
      .slice(0, shownDependencies)
      .map(({ id, modelId, state }) =>
        modelId === outside
          ? `It waits for "${id}" from outside, which has not been resolved.`
          : `It waits for "${id}" of ${modelId}, which is ${state === 'leased' ? 'running' : state}.`,
      ),
    ...(more > 0 ? [`And for ${more} more.`] : []),
  ]
}

/** How many ready items of the model go before it, and how many beside it. */
function placeInQueue({ levels, model }: ModelState, { effectivePriority: priority }: WaitingItem): string[] {
  const countOf = (picks: (each: number) => boolean) =>
    levels.reduce((sum, level) => sum + (picks(level.priority) ? level.count : 0), 0)
  const ahead = countOf((each) => each > priority)
  const beside = Math.max(
    1,
    countOf((each) => each === priority),
  )
  const more = ahead > 0 ? `${ahead} of higher priority go before it; ` : ''
  const isShared = new Set(levels.map(({ tenant }) => tenant)).size > 1
  const rule = isShared ? 'the tenant that has had least first' : 'first come, first served'
  return [`It is ready: ${more}${beside} of its priority wait for ${model.id}, ${rule}.`]
}

/** A resident model waits for a slot or for the room of a batch, any other for a load. */
function whyNotRunning(state: State, model: ModelState, nowMs: number): string[] {
  if (state.isDraining) return ['The run is being stopped: nothing new is started.']
  const ready = model.instances.filter(({ phase }) => phase === 'ready')
  const limits = modelNotes(state, model, nowMs)
  if (ready.length > 0) return [...ready.flatMap((each) => batchSentences(state, each, nowMs)), ...limits]
  const loading = model.instances[0]
  if (loading)
    return [
      `${model.model.id} is being loaded on ${loading.device.id}, for ${formatMs(nowMs - loading.startedAtMs)} so far; that takes about ${formatMs(model.loadMs)}.`,
    ]
  const notTried = whyNotTried(state, model, nowMs)
  if (notTried.length > 0) return notTried
  if (!needsDevice(model)) return [`${model.model.id} needs no device memory; its worker is started next.`]
  return state.devices
    .filter(({ id }) => id !== cpuDeviceId)
    .flatMap((device) => loadSentences(state, device, model, nowMs))
}

/** Why an instance that is ready does not take the item. */
function batchSentences(state: State, instance: InstanceState, nowMs: number): string[] {
  const { device, model } = instance
  const begin = `${model.model.id} is resident${device.id === cpuDeviceId ? '' : ` on ${device.id}`}`
  if (device.fault !== null) return [`${begin}.`, ...whyClosed(state, device, nowMs)]
  if (device.runningCount >= device.slots || instance.runningCount >= model.model.concurrency)
    return [`${begin}; ${runningSentence(state, instance)}`]
  const view = new View(state, nowMs)
  const neededBytes = activeBytesOn(model, device, 1)
  const missingBytes = neededBytes - headroomBytes(device)
  if (neededBytes > 0 && missingBytes > 0) {
    const need = `a batch of one item needs ${formatBytes(neededBytes)} more, and ${formatBytes(missingBytes)} of that are missing`
    return [`${begin}; ${need}. ${holdersOn(view, device)}`, ...lostBytes(device, nowMs)]
  }
  const next = chooseBatch(view, device)
  return next && next.instance !== instance
    ? [
        `${begin}; ${next.instance.model.model.id} runs before it: ${formatReason({ rule: next.rule, figures: {} })}.`,
      ]
    : [`${begin}; it is next.`]
}

/** What keeps the slots of a device busy. On the CPU only the model's own batches are in its way. */
function runningSentence(state: State, { device, model }: InstanceState): string {
  const isAlone = device.id === cpuDeviceId
  const what = [...state.batchById.values()]
    .filter(({ instance }) => instance.device === device && (!isAlone || instance.model === model))
    .map(({ instance, itemCount }) => `${itemCount} of ${instance.model.model.id}`)
    .join(' and ')
  return `${device.id} runs ${what}; a running batch is not interrupted.`
}

/** Why a device does not load the model, with what is in the way first. */
function loadSentences(state: State, device: DeviceState, each: ModelState, nowMs: number): string[] {
  const { model } = each
  const begin = `${model.id} is not resident and needs ${formatBytes(leastBytesOn(each, device))} on ${device.id}`
  const closed = whyClosed(state, device, nowMs)
  if (closed.length > 0) return [`${begin}.`, ...closed]
  const lost = lostBytes(device, nowMs)
  const excessBytes = leastBytesOn(each, device) - offeredBytes(device)
  if (excessBytes > 0) {
    const offer = `which can offer ${formatBytes(Math.max(0, offeredBytes(device)))} at most: ${formatBytes(excessBytes)} too little, even if all that may go went`
    return [`${begin}, ${offer}.`, ...lost]
  }
  if (device.loading)
    return [`${begin}, which loads ${device.loading.model.model.id} now: one load at a time.`, ...lost]
  const view = new View(state, nowMs)
  const best = chooseLoad(view, device)
  if (best && best.model !== each)
    return [
      `${begin}; ${best.model.model.id} is loaded before it: ${formatReason({ rule: best.rule, figures: {} })}.`,
      ...lost,
    ]
  const missingBytes = missingBytesOn(device, each)
  if (missingBytes > 0)
    return [`${begin}: ${formatBytes(missingBytes)} are missing. ${holdersOn(view, device)}`, ...lost]
  const first = best ? null : view.missing[0]
  return first && first.model !== each
    ? [`${begin}; the room is kept for ${first.model.model.id}, which deserves the device more.`]
    : [`${begin}; its load is next.`]
}

/** Who has the bytes of a device, and what becomes of each. */
function holdersOn(view: View, { id, instances, ledger, foreignBytes }: DeviceState): string {
  const holders = instances.map(
    (each) => `${each.model.model.id} ${formatBytes(each.bytes)}${holding(view, each)}`,
  )
  if (ledger.activeBytes > 0) holders.push(`${formatBytes(ledger.activeBytes)} for running batches`)
  if (foreignBytes > 0) holders.push(`${formatBytes(foreignBytes)} of others`)
  return holders.length > 0 ? `On ${id} are ${holders.join(', ')}.` : `Nothing is on ${id}.`
}

/** What keeps an instance where it is, and for how long that is expected. */
function holding(view: View, instance: InstanceState): string {
  const { phase, runningCount, model } = instance
  if (phase === 'starting') return ' (being loaded)'
  if (phase === 'stopping') return ' (on their way back)'
  if (phase === 'quarantined') return ` (quarantined: ${causeOf(instance)})`
  const visit = `its visit has about ${formatMs(visitLeftMs(view.state, instance))} of compute left`
  if (runningCount > 0) return ` (runs a batch; ${visit})`
  if (model.model.isPinned) return ' (pinned: it never goes)'
  if (model.readyCount > 0) return visitIsOver(view.state, instance) ? ' (has work)' : ` (has work; ${visit})`
  const endMs = doneMs(view, model)
  return endMs > model.loadMs
    ? ' (idle)'
    : ` (idle, but in about ${formatMs(endMs)} done with all that is known for it: sooner than it could be loaded again)`
}

/** Compute of the running batch, from its start, and of what the visit has still to serve. */
function visitLeftMs(state: State, instance: InstanceState): number {
  const { model } = instance.model
  let runningMs = 0
  for (const batch of state.batchById.values())
    if (batch.instance === instance) runningMs = Math.max(runningMs, runMs(model, batch.itemCount))
  return runningMs + clearMs(model, unservedCount(instance))
}

/** Its deadline, if it has one, and when it is overdue. */
function waitBound(state: State, { readyAtMs, latestEndAtMs }: WaitingItem, nowMs: number): string[] {
  if (readyAtMs === null) return []
  const deadline =
    latestEndAtMs === null
      ? []
      : [
          latestEndAtMs > nowMs
            ? `It must have ended in ${formatMs(latestEndAtMs - nowMs)}; before that is too late to start it goes before all that is not interactive.`
            : `It is late: it should have ended ${formatMs(nowMs - latestEndAtMs)} ago, and waits like any other.`,
        ]
  const leftMs = readyAtMs + new View(state, nowMs).waitBoundMs - nowMs
  const waited = `It has waited ${formatMs(Math.max(0, nowMs - readyAtMs))}`
  return [
    ...deadline,
    leftMs > 0
      ? `${waited}; in ${formatMs(leftMs)} it is overdue and goes before all that is not interactive.`
      : `${waited} and is overdue: longest wait first.`,
  ]
}
