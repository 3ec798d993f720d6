// What the flags of `run` change of a pipeline: its devices' memory and its policy.
import { SchedulerError } from '../core/errors.ts'
import { parsePolicy } from '../core/policy.ts'
import { formatBytes } from '../core/units.ts'
import { defaultSafetyRatio } from '../core/vram.ts'
import type { Pipeline } from '../pipelines/pipeline.ts'
import { parseSizes } from './gpu-sizes.ts'

export interface RunOptions {
  gpu?: string[]
  set?: string[]
}

/** --gpu and --set over what the file says. */
export function withOptions(pipeline: Pipeline, { gpu = [], set = [] }: RunOptions): Pipeline {
  const gpus = gpu.includes('auto')
    ? autoGpus(gpu)
    : parseSizes(gpu).map((bytes, index) => resizeGpu(pipeline, bytes, index))
  const settings = set.map((text) => {
    const match = /^policy\.(\w+)=(.*)$/.exec(text)
    if (!match)
      throw new SchedulerError(
        'BAD_VALUE',
        `--set "${text}" is not policy.KEY=VALUE, such as policy.maxWait=60s.`,
      )
    return [match[1]!, match[2]!] as const
  })
  const policy = { ...pipeline.policy, ...Object.fromEntries(settings) }
  parsePolicy(policy)
  return { ...pipeline, gpus: gpus.length > 0 ? gpus : pipeline.gpus, policy }
}

function autoGpus(gpu: readonly string[]): Pipeline['gpus'] {
  if (gpu.length > 1)
    throw new SchedulerError(
      'BAD_VALUE',
      '--gpu auto takes every GPU that is found; leave the other --gpu out.',
    )
  return [
    { id: 'gpu', kind: 'auto', memoryBytes: null, safetyRatio: defaultSafetyRatio, index: null, uuid: null },
  ]
}

function resizeGpu({ gpus }: Pipeline, memoryBytes: number, index: number): Pipeline['gpus'][number] {
  const own = gpus[index] ?? gpus[0]
  if (!own)
    throw new SchedulerError(
      'BAD_VALUE',
      '--gpu changes the memory of a device; the pipeline has none under gpus.',
    )
  if (gpus[index]) return { ...own, memoryBytes }
  if (own.kind !== 'host' && own.kind !== 'static')
    throw new SchedulerError(
      'BAD_VALUE',
      `--gpu ${formatBytes(memoryBytes)}: the pipeline names ${gpus.length} under gpus, and a GPU cannot be used twice. Add it there.`,
    )
  return { ...own, id: `${own.id}${index}`, memoryBytes }
}
