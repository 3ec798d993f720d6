// The origin's types together: its scheduler written with our parts, line by line, and the same work through
// our scheduler; then a pool of workers with permits from the semaphore.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  GpuScheduler,
  ModelStateManager,
  ModelType,
  VramConfig,
  VramSemaphore,
  WorkItem,
  WorkQueue,
} from '../../src/index.ts'

const vram = new VramConfig({ totalGb: 16, safetyFactor: 0.9 })

/** The items of some videos: four models look, the fifth waits for what they saw. */
function videos(count: number): WorkItem[] {
  return Array.from({ length: count }, (_, index) => {
    const make = (modelId: ModelType, dependencies: WorkItem[] = []) =>
      new WorkItem({ sourceId: `v${index}`, modelId, input: `v${index}.mp4`, dependencies })
    const first = [ModelType.Whisper, ModelType.VideoMAE, ModelType.CLAP, ModelType.DINOv3].map((each) =>
      make(each),
    )
    return [...first, make(ModelType.Qwen3, first)]
  }).flat()
}

/** The origin's `get_next_batch` over our queues and our state manager. */
class OriginScheduler {
  readonly queues = new Map(Object.values(ModelType).map((model) => [model, new WorkQueue(model)]))
  readonly state = new ModelStateManager()

  submit(item: WorkItem): string {
    this.queues.get(item.modelId as ModelType)!.push(item)
    return item.id
  }

  resolveDependency(id: string): void {
    for (const queue of this.queues.values()) queue.resolveDependency(id)
  }

  getNextBatch(maxBatchSize: number): [ModelType, WorkItem[]] | null {
    const current = this.state.currentModel as ModelType | null
    const most = [...this.queues.values()].sort((a, b) => b.readyCount - a.readyCount)[0]!
    const queue = current && this.queues.get(current)!.readyCount > 0 ? this.queues.get(current)! : most
    const batch: WorkItem[] = []
    for (let item = queue.pop(); item; item = batch.length < maxBatchSize ? queue.pop() : null)
      batch.push(item)
    return batch.length > 0 ? [queue.modelId as ModelType, batch] : null
  }

  totalPending(): number {
    return [...this.queues.values()].reduce((sum, each) => sum + each.readyCount + each.waitingCount, 0)
  }
}

test('the origin’s scheduler, made of our queues and our state manager, runs its work in order', () => {
  const scheduler = new OriginScheduler()
  const items = videos(20)
  for (const item of items) assert.equal(scheduler.submit(item), item.id)
  assert.equal(scheduler.totalPending(), 100)
  const done = new Set<string>()
  for (let next = scheduler.getNextBatch(8); next; next = scheduler.getNextBatch(8)) {
    const [model, batch] = next
    assert.ok(vram.canFit(model) && batch.length <= 8)
    if (scheduler.state.needsSwitch(model)) {
      scheduler.state.markUnloaded()
      scheduler.state.markLoaded(model, scheduler.state.estimatedLoadTime(model))
    }
    for (const item of batch) {
      assert.ok(item.isReady && item.dependencies.every(({ id }) => done.has(id)))
      done.add(item.id)
      scheduler.resolveDependency(item.id)
    }
  }
  assert.deepEqual([done.size, scheduler.totalPending()], [100, 0])
  const loads = Object.values(ModelType).map((model) => scheduler.state.loadCount(model))
  assert.deepEqual(loads, [1, 1, 1, 1, 1])
  assert.deepEqual(scheduler.state.residentModels, ['Qwen3'], 'the origin holds one model at a time')
})

test('our scheduler runs the same items, and a state manager that follows its batches agrees with its own', () => {
  let nowMs = 0
  const clock = () => nowMs
  const scheduler = new GpuScheduler({ vram: new VramConfig({ totalGb: 8 }), clock })
  const state = new ModelStateManager({ clock })
  const items = videos(20)
  scheduler.submit(...items)
  const done = new Set<string>()
  const byId = new Map(items.map((item) => [item.id, item]))
  for (let batch = scheduler.getNextBatch(8); batch; batch = scheduler.getNextBatch(8)) {
    for (const model of batch.evictions) state.markUnloaded(model)
    for (const model of batch.loads) {
      state.markLoaded(model, 2000)
      nowMs += 2000
      scheduler.markLoaded(model, 2000)
    }
    state.markUsed(batch.modelId)
    assert.deepEqual(state.residentModels, scheduler.modelStates.residentModels)
    const bytes = state.residentModels.reduce((sum, model) => sum + vram.modelVram(model), 0)
    assert.ok(bytes <= 7.2e9)
    nowMs += 500
    for (const { id } of batch.items) {
      for (const needed of byId.get(id)!.dependencies) assert.ok(done.has(needed.id))
      scheduler.complete(id)
      done.add(id)
    }
  }
  assert.deepEqual([done.size, scheduler.totalPending()], [100, 0])
  const own = scheduler.modelStates
  for (const model of Object.values(ModelType)) {
    assert.deepEqual(
      [own.loadCount(model), own.lastLoadTime(model), own.estimatedLoadTime(model)],
      [state.loadCount(model), state.lastLoadTime(model), state.estimatedLoadTime(model)],
    )
  }
})

test('`async fn run_whisper(vram: &VramSemaphore)`: workers with a queue each share the memory by permits', async () => {
  const semaphore = new VramSemaphore(vram)
  const queues = Object.values(ModelType).map((model) => new WorkQueue(model))
  for (const item of videos(20)) queues.find(({ modelId }) => modelId === item.modelId)!.push(item)
  let heldBytes = 0
  let ran = 0
  async function run(queue: WorkQueue, item: WorkItem): Promise<void> {
    using permit = await semaphore.acquire(vram.modelVram(queue.modelId))
    heldBytes += permit.bytes
    assert.ok(heldBytes <= 14.4e9)
    await Promise.resolve()
    ran++
    heldBytes -= permit.bytes
    for (const each of queues) each.resolveDependency(item.id)
  }
  while (queues.some(({ readyCount }) => readyCount > 0)) {
    const runs: Promise<void>[] = []
    for (const queue of queues)
      for (let item = queue.pop(); item; item = queue.pop()) runs.push(run(queue, item))
    await Promise.all(runs)
  }
  assert.deepEqual([ran, semaphore.availableBytes], [100, 14.4e9])
})
