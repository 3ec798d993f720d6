// One run of a seed: the real daemon in a simulated world, moment by moment. Faults happen for a
// span of time; then they end, and everything that was submitted must come to an end too. Nothing
// here waits or measures real time: the same seed and settings give the same log, line for line.

import { Operator } from './actors/operator.ts'
import { ItemChecks, openStates } from './checks/items.ts'
import { LivenessChecks, type Situation } from './checks/liveness.ts'
import { drainMicrotasks } from './world/agenda.ts'
import { Context } from './world/context.ts'
import { Devices } from './world/device.ts'
import type { FaultKind } from './world/faults.ts'
import { FaultyStore } from './world/faulty-store.ts'
import { createResolver } from './world/graph.ts'
import { Machine } from './world/machine.ts'
import type { Parts } from './world/parts.ts'
import { Runners } from './world/runner.ts'
import type { Settings } from './world/world.ts'

export interface Outcome {
  /** What was not as it must be, with its moment; null: nothing. */
  violation: string | null
  digest: string
  lineCount: number
  lifeCount: number
  faults: Record<FaultKind, number>
  /** Longest wait over its bound. */
  worstRatio: number
  /** Simulated time, ms. */
  tookMs: number
}

/** Time that everything has to end in after the last fault, ms, and for each item: a
 * model that dies in every batch is loaded again for each attempt. */
const settleMs = 30 * 60_000
const settleItemMs = 20_000

/** An immediate costs ten ticks: rejections that nobody handles are heard of after so many moments. */
const rejectionsEvery = 100

/** Moments of a run: more are a loop that does not end. */
const maxMoments = 500_000

export async function simulate(
  seed: number,
  settings: Settings,
  print: ((line: string) => void) | null = null,
): Promise<Outcome> {
  const context = new Context(seed, settings, print)
  const onRejection = (error: unknown) => {
    context.log('stack', (error as Error)?.stack)
    context.fail(`an error that nobody handles: ${(error as Error)?.message ?? error}`)
  }
  process.on('unhandledRejection', onRejection)
  try {
    const { operator, parts } = build(context)
    planWorld(parts, operator)
    void operator.run().catch(onRejection)
    await live(parts, operator)
    if (context.violation === null) await checkEnd(parts, operator)
    await drainMicrotasks('immediate')
    return {
      violation: context.violation,
      digest: context.digest(),
      lineCount: context.lineCount,
      lifeCount: operator.lifeCount,
      faults: context.faults.counts,
      worstRatio: parts.liveness.worstRatio,
      tookMs: context.agenda.nowMs,
    }
  } finally {
    process.off('unhandledRejection', onRejection)
  }
}

function build(context: Context): { operator: Operator; parts: Parts } {
  const machine = new Machine(context)
  let items: ItemChecks | null = null
  const faultyStore = new FaultyStore(
    context,
    createResolver(context.seed, context.world.models),
    (store) => {
      items = new ItemChecks(context, store)
      return items
    },
  )
  const parts: Parts = {
    context,
    machine,
    faultyStore,
    items: items!,
    devices: new Devices(context, machine),
    runners: new Runners(context, machine),
    liveness: new LivenessChecks(context),
  }
  return { operator: new Operator(parts), parts }
}

/** What the world does by itself, and the end of it. */
function planWorld(parts: Parts, operator: Operator): void {
  const { context, machine, items } = parts
  const { agenda, faults, settings, world } = context
  planFaults(parts)
  agenda.after(settings.spanMs, () => {
    context.log('faults end')
    faults.isOn = false
    for (const { options } of world.devices) machine.moveForeign(options.id, 0)
    machine.freeStuck()
    machine.mend()
    operator.nudge()
  })
  const endMs = settleMs + settings.itemCount * settleItemMs
  agenda.after(settings.spanMs + endMs, () => {
    const left = items.ids(openStates)
    context.fail(`${endMs} ms after the last fault it has not ended; open: ${left}`)
  })
}

/** Faults that come by the minute: of other processes, of the kernel, of cards and of the clock. */
function planFaults({ context, machine }: Parts): void {
  const { agenda, faults, settings, world } = context
  const chance = context.chance('world moves')
  const each = (kind: FaultKind, act: () => void) => {
    for (const atMs of faults.moments(kind, settings.spanMs)) agenda.after(atMs, act)
  }
  each('foreign-moves', () => {
    const { id, capacityBytes } = chance.pick(world.devices).options
    faults.happens('foreign-moves')
    machine.moveForeign(id, Math.floor(capacityBytes * chance.pick([0, 0.1, 0.4, 0.9]) * chance.number()))
  })
  each('kernel-kills', () => {
    const { tells, isCard, options } = chance.pick(world.devices)
    if (tells && !isCard && faults.happens('kernel-kills')) machine.killLargest(options.id)
  })
  for (const kind of ['device-vanishes', 'device-silent'] as const) {
    each(kind, () => {
      const cards = world.devices.filter(({ isCard }) => isCard)
      if (cards.length === 0 || !faults.happens(kind)) return
      const ms = chance.pick([1000, 5000, 20_000, 60_000])
      const { id } = chance.pick(cards).options
      context.disturb(ms)
      if (kind === 'device-vanishes') machine.lose(id, ms)
      else machine.silence(id, ms)
    })
  }
  each('clock-jumps', () => {
    faults.happens('clock-jumps')
    const ms = chance.between(-3 * 3_600_000, 3 * 3_600_000)
    context.log('clock jumps', String(ms))
    agenda.jumpWall(ms)
  })
}

async function live(parts: Parts, operator: Operator): Promise<void> {
  const { context, liveness } = parts
  for (let moment = 0; !operator.isDone && context.violation === null; moment++) {
    const entry = context.agenda.next()
    context.check(entry !== null && moment < maxMoments, () => `there is no end after ${moment} moments`)
    if (!entry) return
    entry.act()
    await drainMicrotasks(moment % rejectionsEvery === 0 ? 'immediate' : 'tick')
    const { current } = operator
    const situation = situationOf(parts, operator)
    if (current && !current.life.isOver)
      current.checks.afterMoment({ state: current.daemon.state, isWorking: situation!.isWorking })
    liveness.afterMoment(situation)
    if (parts.items.openCount > 0) operator.nudge()
  }
}

function situationOf({ faultyStore, items }: Parts, { current }: Operator): Situation | null {
  if (!current || current.life.isOver) return null
  const { daemon, clock, isRunning, checks } = current
  return {
    state: daemon.state,
    nowMs: clock.nowMs(),
    isWorking: isRunning && checks.hasReadAll && !daemon.state.isDraining,
    pendingCount: faultyStore.openCount,
    readyByModel: items.readyByModel,
    neededBytes: (model, deviceId) => checks.neededBytes(model, deviceId),
    canMoveCount: items.countOf('ready') + items.countOf('scheduled') + items.countOf('leased'),
  }
}

async function checkEnd({ context, items, machine }: Parts, operator: Operator): Promise<void> {
  await items.checkEnd(operator.listedIds)
  const left = machine.alive().filter(({ isRecorded }) => isRecorded)
  context.check(left.length === 0, () => `${left.map(({ instanceId }) => instanceId)} are left at the end`)
}
