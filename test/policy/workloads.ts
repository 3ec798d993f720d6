// The lab's workloads without chance, made by their rules (docs/policy.md), so that tests need no files.
import { defineModel } from '../../src/core/model.ts'
import type { DeviceOptions } from '../../src/core/state/state.ts'
import type { Workload, WorkloadItem } from '../../src/sim/workload.ts'

const lanes = { concurrency: 16, unloadMs: 300 }

/** The five models of a video pipeline, in the lab's order. */
export const videoModels = [
  defineModel({
    id: 'whisper',
    vram: '4.5GB',
    loadMs: 5000,
    batch: { overheadMs: 100, perItemMs: 2000, exponent: 0.8, max: 8 },
    ...lanes,
  }),
  defineModel({
    id: 'videomae',
    vram: '5GB',
    loadMs: 8000,
    batch: { overheadMs: 100, perItemMs: 600, max: 8 },
    ...lanes,
  }),
  defineModel({
    id: 'clap',
    vram: '2GB',
    loadMs: 4000,
    batch: { overheadMs: 50, perItemMs: 150, max: 16 },
    ...lanes,
  }),
  defineModel({
    id: 'qwen3',
    vram: '1.5GB',
    loadMs: 10_000,
    batch: { overheadMs: 200, perItemMs: 800, max: 8 },
    ...lanes,
  }),
  defineModel({
    id: 'dinov3',
    vram: '1GB',
    loadMs: 6000,
    batch: { overheadMs: 50, perItemMs: 50, max: 32 },
    ...lanes,
  }),
]

export function workItem(
  id: string,
  model: string,
  atMs: number,
  more: Partial<WorkloadItem> = {},
): WorkloadItem {
  const rest = { after: [], job: id, priority: 5, deadlineMs: null, costMs: null, tenant: null }
  return { id, model, atMs, ...rest, ...more }
}

/** W1: videos at time 0, qwen3 on all four others. */
export function videosAtOnce(count: number): Workload {
  const items: WorkloadItem[] = []
  for (let video = 0; video < count; video++) {
    const job = `${video}`
    const first = ['whisper', 'videomae', 'clap', 'dinov3'].map((model) =>
      workItem(`${job}-${model}`, model, 0, { job }),
    )
    items.push(...first, workItem(`${job}-qwen3`, 'qwen3', 0, { job, after: first.map(({ id }) => id) }))
  }
  return { models: videoModels, items }
}

/** W6: one item every two seconds for five models in turn, of which four fit. */
export function rotation(): Workload {
  const models = Array.from({ length: 5 }, (_, index) =>
    defineModel({
      id: `c${index}`,
      vram: '3.55GB',
      loadMs: 5000,
      batch: { overheadMs: 100, perItemMs: 500, max: 8 },
      ...lanes,
    }),
  )
  return {
    models,
    items: Array.from({ length: 2000 }, (_, index) => workItem(`${index}`, `c${index % 5}`, 2000 * index)),
  }
}

export function cards(...sizesGb: number[]): DeviceOptions[] {
  return sizesGb.map((gb, index) => ({
    id: `gpu${index}`,
    kind: 'simulated',
    capacityBytes: Math.round(gb * 1e9),
    safetyRatio: 1,
  }))
}
