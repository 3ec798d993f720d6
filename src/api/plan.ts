// How long a pipeline would take on a card, before anyone buys it: the same decisions, simulated, with times
// and sizes measured by earlier runs or, where there are none, declared ones; and which of several cards is
// enough.
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
import type { Answer, Cards, Input } from './schemas/plan.ts'
import type { ReadingUseCase } from './use-case.ts'

export const plan: ReadingUseCase<Input, Answer> = {
  name: 'plan',
  description: 'How long a pipeline takes on a card, and which card is enough.',
  schemas: () => import('./schemas/plan.ts'),
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

function cardsOf({ gpus, memoryBytes }: Cards, pipeline: Pipeline): Choice {
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
