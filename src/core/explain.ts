// Answers in sentences: why a command was chosen, from its rule and the figures that the rule saw; and why an item waits,
// from the same state that decides: its place in the queue, where its model is, who holds the bytes, which rule prefers
// another, and the wait bound.
import { visitIsOver } from './estimates.ts'
import { leastBytesOn } from './footprint.ts'
import { headroomBytes } from './ledger.ts'
import type { ModelId } from './model.ts'
import { chooseLoad } from './placement.ts'
import type { Reason, RuleId } from './protocol.ts'
import { type DeviceState, type InstanceState, type ModelState, modelOf, type State } from './state.ts'
import { formatBytes, formatMs } from './units.ts'
import { View } from './view.ts'
import { hasEnded, type ItemId, type ItemState } from './work-item.ts'

const sentences: Record<RuleId, string> = {
  shutdown: 'the run is over',
  'release-overdue': 'its memory did not come back in time',
  'loads-failed': 'it failed to load too often in a row',
  'load-interactive': 'an interactive item waits for it',
  'load-urgent': 'an item would miss its deadline',
  'load-overdue': 'an item has waited longer than policy.maxWait for it',
  'load-best': 'its queue deserves the device most',
  'load-filler': 'it is there before the visits end that make room for another',
  'load-replica': 'its queue is long enough to pay for one more copy',
  prefetch: 'it will be needed soon and nothing that is ready is missing',
  'make-room': 'it is the cheapest to bring back of those that may go',
  'over-the-line': 'more is held on the device than may be',
  idle: 'nothing has waited for it for as long as its keepAlive',
  leaks: 'it holds more and more memory',
  'device-fault': 'its device is not well',
  preload: 'it is to be there from the start',
  'never-fits': 'no device is large enough for what it was seen to hold',
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
  return details.length > 0 ? `${sentences[rule]} (${details.join(', ')})` : sentences[rule]
}

/** What the store knows of an item that waits. */
export interface WaitingItem {
  modelId: ModelId
  state: ItemState
  effectivePriority: number
  latestEndAtMs: number | null
  readyAtMs: number | null
  /** Items it waits for that have not ended: their ids, models and states. */
  openDependencies: { id: ItemId; modelId: ModelId; state: ItemState }[]
}

/** Why an item waits, most important first, each a sentence; from the data that decides. Cost: O(models + instances). */
export function whyWaiting(state: State, item: WaitingItem, nowMs: number): string[] {
  if (hasEnded(item.state)) return [`It does not wait: it is ${item.state}.`]
  if (item.state === 'leased') return ['It does not wait: it runs now.']
  if (item.openDependencies.length > 0) return item.openDependencies.slice(0, 10).map(dependencySentence)
  if (item.state === 'scheduled')
    return ['Its last attempt failed; it is tried again after a pause that doubles each time.']
  if (item.state === 'blocked') return ['What it waits for has ended; it is being released.']
  const model = modelOf(state, item.modelId)
  return [
    ...placeInQueue(model, item),
    ...whyNotRunning(state, model, nowMs),
    ...waitBound(state, item, nowMs),
  ]
}

function dependencySentence({ id, modelId, state }: WaitingItem['openDependencies'][number]): string {
  return `It waits for "${id}" of ${modelId}, which is ${state === 'leased' ? 'running' : state}.`
}

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

/** A resident model waits for a slot, another one for a load. */
function whyNotRunning(state: State, model: ModelState, nowMs: number): string[] {
  if (state.isDraining) return ['The run is being stopped: nothing new is started.']
  if (model.loadFailureCount > 0 && nowMs < model.coolUntilMs) {
    return [
      `${model.model.id} could not be loaded (${model.loadError}); the next try is in ${formatMs(model.coolUntilMs - nowMs)}.`,
    ]
  }
  if (model.instances.some(({ phase }) => phase === 'ready'))
    return [`${model.model.id} is resident; ${slotSentence(state, model)}`]
  const loading = model.instances[0]
  if (loading)
    return [
      `${model.model.id} is being loaded on ${loading.device.id}; that takes about ${formatMs(model.loadMs)}.`,
    ]
  return state.devices
    .filter(({ budgetBytes }) => budgetBytes > 0)
    .map((device) => loadSentence(state, device, model, nowMs))
}

function slotSentence(state: State, { instances }: ModelState): string {
  const device = instances[0]!.device
  const running = [...state.batchById.values()].filter(({ instance }) => instance.device === device)
  const what = running
    .map(({ instance, itemCount }) => `${itemCount} of ${instance.model.model.id}`)
    .join(' and ')
  return running.length > 0 ? `${device.id} runs ${what}; a running batch is not interrupted.` : 'it is next.'
}

function loadSentence(state: State, device: DeviceState, each: ModelState, nowMs: number): string {
  const { model } = each
  const neededBytes = leastBytesOn(each, device)
  const missingBytes = neededBytes - headroomBytes(device)
  const begin = `${model.id} is not resident and needs ${formatBytes(neededBytes)} on ${device.id}`
  const view = new View(state, nowMs)
  if (device.fault !== null) return `${begin}, which is not well: ${device.fault}.`
  if (view.isStale(device))
    return `${begin}, which has not been read for ${formatMs(nowMs - device.observedAtMs!)}: nothing is put on it before.`
  if (device.loading) return `${begin}, which loads ${device.loading.model.model.id} now: one load at a time.`
  const best = chooseLoad(view, device)
  if (best && best.model.model.id !== model.id)
    return `${begin}; ${best.model.model.id} is loaded before it: ${formatReason({ rule: best.rule, figures: {} })}.`
  if (missingBytes <= 0) return `${begin}; its load is next.`
  const holders = device.instances.map(
    (each) => `${each.model.model.id} ${formatBytes(each.bytes)}${holding(state, each)}`,
  )
  return `${begin}: ${formatBytes(missingBytes)} are missing. There are ${holders.join(', ')}.`
}

function holding(state: State, instance: InstanceState): string {
  if (instance.phase !== 'ready') return ` (${instance.phase})`
  if (instance.runningCount > 0) return ' (runs a batch)'
  if (instance.model.readyCount === 0) return ' (idle)'
  return visitIsOver(state, instance) ? ' (has work)' : ' (has work, and its visit is not over)'
}

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
