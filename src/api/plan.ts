// How long a pipeline would take on a card, before anyone buys it: the same decisions, simulated, with times and sizes measured
// by earlier runs or, where there are none, declared ones; and which of several cards is enough.
import { z } from 'zod'
import { SchedulerError } from '../core/errors.ts'
import { parsePolicy } from '../core/policy.ts'
import type { DeviceOptions } from '../core/state/state.ts'
import { formatBytes } from '../core/units.ts'
import { openDevices } from '../devices/open.ts'
import { simulatedCards } from '../forecast/cards.ts'
import { type Choice, enoughOf, forecast, type Plan, type TooSmall } from '../forecast/plan.ts'
import { planWorkload } from '../forecast/plan-workload.ts'
import type { Pipeline } from '../pipelines/pipeline.ts'
import { readSources } from '../pipelines/sources.ts'
import { shapesFor } from './host.ts'
import { amount, type ReadingUseCase, whole } from './use-case.ts'

const choice = z.object({
  gpus: z.string().describe('What the choice is called in the answer.'),
  memoryBytes: z.array(whole.positive()).min(1).describe('The memory of each card.'),
})

const lateStep = z.object({
  step: z.string(),
  count: whole.describe('Items whose deadline cannot be met.'),
  datedCount: whole.describe('Items that have one.'),
  givenMs: z.number().describe('Of the one that is latest: the time it has.'),
  neededMs: z.number().describe('The time it takes.'),
  loadedMs: z.number().describe('The time it would take were its models loaded.'),
})

const forecastAnswer = z.object({
  gpus: z.string(),
  capacityBytes: amount,
  makespanMs: amount.describe('From the start to the last end.'),
  loads: whole,
  evictions: whole.describe('Instances that are stopped to make room.'),
  busyRatio: amount.describe('Share of the time in which a card computes.'),
  stallRatio: amount.describe('Share of the time in which work waits for a load.'),
  peakBytes: amount,
  waitMs: amount.describe('Mean wait of an item.'),
  bottleneck: z.enum(['compute', 'loads', 'dependencies']).describe('What a faster run would need most.'),
  deadlines: z.object({ met: whole, missed: whole }).loose(),
  infeasibleDeadlines: z.array(lateStep).describe('Steps with deadlines that no order of work can meet.'),
})

const tooSmall = z.object({
  gpus: z.string(),
  capacityBytes: amount,
  tooSmall: z.string().describe('Which model does not fit, and what is missing.'),
})

const planInput = z.strictObject({
  records: whole
    .min(1)
    .optional()
    .describe('Records of each source of files or standard input; left out: those that are there.'),
  choices: z.array(choice).min(1).optional().describe("Cards to compare; left out: the pipeline's own."),
})

const planAnswer = z.object({
  items: whole.describe('Items that were planned.'),
  isMeasured: z.boolean().describe('Times and shares are from earlier runs.'),
  forecasts: z.array(z.union([forecastAnswer, tooSmall])).describe('One for each choice, in order.'),
  enough: z.string().describe('The smallest choice that is nearly as fast as the best.'),
  unsizedModels: z
    .array(z.string())
    .describe('Models of unknown size: counted as needing a whole card alone.'),
})

export type PlanInput = z.infer<typeof planInput>
export type PlanAnswer = z.infer<typeof planAnswer>

export const plan: ReadingUseCase<PlanInput, PlanAnswer> = {
  name: 'plan',
  description: 'How long a pipeline takes on a card, and which card is enough.',
  input: planInput,
  answer: planAnswer,
  effect: 'computes',
  async answerOf(host, { records, choices }) {
    const { pipeline, store } = host
    if (pipeline === null)
      throw new SchedulerError('BAD_VALUE', 'Which pipeline is to be planned? Name its file.')
    const cards = choices ? choices.map((each) => cardsOf(each, pipeline)) : [await ownCards(pipeline)]
    const measured = await host.measured()
    const shapes = shapesFor(pipeline, await store.stats())
    const workload = planWorkload(pipeline, measured, shapes, countsOf(pipeline, records ?? null))
    if (workload.items.length === 0)
      throw new SchedulerError(
        'BAD_VALUE',
        `There is nothing to plan: the sources of ${pipeline.name} have no records. Fill them, or say how many there will be with --sources 1000.`,
      )
    const known: Plan = { workload, policy: parsePolicy(pipeline.policy), profiles: await host.profiles() }
    const forecasts = cards.map((each) => forecast(known, each))
    const enough = enoughOf(forecasts)
    if (enough === null) {
      const { tooSmall } = forecasts[0] as TooSmall
      const others = forecasts.length > 1 ? ' The others are too small as well.' : ''
      throw new SchedulerError('NEVER_FITS', `${forecasts[0]!.gpus}: ${tooSmall}${others}`)
    }
    return {
      items: workload.items.length,
      isMeasured: measured.size > 0,
      forecasts,
      enough,
      unsizedModels: unsizedModels(known),
    }
  },
}

function cardsOf({ gpus, memoryBytes }: z.infer<typeof choice>, pipeline: Pipeline): Choice {
  const safetyRatio = pipeline.gpus[0]?.safetyRatio ?? 0.9
  return { gpus, devices: simulatedCards(memoryBytes, { safetyRatio }) }
}

/** With the memory that is written; where none is, the driver is asked. */
async function ownCards({ gpus }: Pipeline): Promise<Choice> {
  const isWritten = gpus.every(({ kind, memoryBytes }) => kind !== 'auto' && memoryBytes !== null)
  const devices = isWritten
    ? gpus.map(({ id, memoryBytes, safetyRatio }) => simulated(id, memoryBytes!, safetyRatio))
    : await seenCards(gpus)
  return { gpus: devices.map(({ capacityBytes }) => formatBytes(capacityBytes)).join(', '), devices }
}

async function seenCards(gpus: Pipeline['gpus']): Promise<DeviceOptions[]> {
  const opened = await openDevices(gpus)
  await Promise.all(opened.map(({ device }) => device.close()))
  return opened.map(({ device, capacityBytes, safetyRatio }) =>
    simulated(device.id, capacityBytes, safetyRatio),
  )
}

function simulated(id: string, capacityBytes: number, safetyRatio: number): DeviceOptions {
  return { id, kind: 'simulated', capacityBytes, safetyRatio }
}

/** `records` stands for files and standard input only: a list of questions does not grow with the archive. */
function countsOf(pipeline: Pipeline, records: number | null): (source: string) => number {
  const own = [...pipeline.sources].filter(
    ([, { files, stdin }]) => stdin === undefined && (records === null || files === undefined),
  )
  const read = readSources({ ...pipeline, sources: new Map(own) }, {})
  return (source) => read.get(source)?.length ?? records ?? 0
}

function unsizedModels({ workload, profiles }: Plan): string[] {
  const isLearned = (id: string) =>
    profiles.some(({ modelId, footprints }) => modelId === id && footprints.length > 0)
  return workload.models.filter(({ id, isSized }) => !isSized && !isLearned(id)).map(({ id }) => id)
}
