// GpuScheduler, test by test a line of the origin, and the figures that a program asks for.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  defineModel,
  GpuScheduler,
  type GpuSchedulerOptions,
  mediaModels,
  type NextBatch,
  VramConfig,
  WorkItem,
} from '../../src/index.ts'

/** A scheduler on a clock that only `pass` moves. */
function create(options: GpuSchedulerOptions = {}) {
  let nowMs = 0
  const scheduler = new GpuScheduler({ ...options, clock: () => nowMs })
  const pass = (ms: number) => {
    nowMs += ms
  }
  return { scheduler, pass }
}

const idsOf = (batch: NextBatch | null) => batch?.items.map(({ id }) => id)

/** Two that do not fit together and are alike in all else. */
const alike = ['a', 'b'].map((id) => defineModel({ id, vram: '5GB', loadMs: 5000 }))
const small = new VramConfig({ totalGb: 8, models: alike })

test('`pub fn new(vram_config: VramConfig) -> Self { for model in [Whisper, VideoMAE, CLAP, Qwen3, DINOv3] { queues.insert(…) } }`', () => {
  for (const scheduler of [new GpuScheduler(), new GpuScheduler({ vram: new VramConfig() })]) {
    const { models, usableBytes } = scheduler.status()
    const names = ['CLAP', 'DINOv3', 'Qwen3', 'VideoMAE', 'Whisper']
    assert.deepEqual(
      models.map(({ modelId }) => modelId),
      names,
    )
    assert.equal(usableBytes, 14.4e9)
    assert.equal(scheduler.getNextBatch(8), null)
  }
})

test('`pub fn submit(&self, item: WorkItem) -> String { let id = item.id.clone(); … id }`', () => {
  const { scheduler } = create()
  const item = new WorkItem({ sourceId: 'v1', modelId: 'Whisper', input: 'v1.wav' })
  assert.deepEqual(scheduler.submit(item).ids, [item.id])
  assert.deepEqual(idsOf(scheduler.getNextBatch(8)), [item.id])
})

test('better: the id is made on the way, and a whole graph comes at once', () => {
  const { scheduler } = create({ uuid: () => 'u' })
  const { ids } = scheduler.submit(
    { sourceId: 'v1', modelId: 'Whisper' },
    { sourceId: 'v1', modelId: 'Qwen3', dependencies: ['v1_Whisper_u'] },
  )
  assert.deepEqual(ids, ['v1_Whisper_u', 'v1_Qwen3_u'])
})

test('`for queue in queues.values_mut() { queue.resolve_dependency(dep_id) }`', () => {
  const { scheduler } = create()
  const item = (modelId: string) => new WorkItem({ id: modelId, modelId, dependencies: ['upload'] })
  scheduler.submit({ id: 'upload', modelId: 'DINOv3' }, item('CLAP'), item('Qwen3'))
  assert.deepEqual(idsOf(scheduler.getNextBatch(8)), ['upload'])
  scheduler.resolveDependency('upload')
  const ready = scheduler.status().models.filter(({ readyCount }) => readyCount > 0)
  assert.deepEqual(
    ready.map(({ modelId }) => modelId),
    ['CLAP', 'Qwen3'],
  )
})

test('`resolve_dependency(&self, dep_id: &str)`: also of what no model makes, named before or resolved before', () => {
  const { scheduler } = create()
  const item = (id: string, needed: string) => ({ id, modelId: 'CLAP', dependencies: [needed] })
  const unknown = { code: 'UNKNOWN_DEPENDENCY', message: /"a" waits for "download"/ }
  assert.throws(() => scheduler.submit(item('a', 'download')), unknown, 'better: a slip of the pen is found')
  scheduler.expectDependency('download')
  scheduler.expectDependency('download')
  scheduler.resolveDependency('upload')
  scheduler.submit(item('a', 'download'), item('b', 'upload'))
  assert.equal(scheduler.totalPending(), 2)
  assert.deepEqual(scheduler.why('a'), ['It waits for "download" from outside, which has not been resolved.'])
  assert.deepEqual(idsOf(scheduler.getNextBatch(8)), ['b'])
  scheduler.complete('b')
  scheduler.resolveDependency('download')
  assert.deepEqual(idsOf(scheduler.getNextBatch(8)), ['a'])
  assert.equal(scheduler.totalPending(), 1)
})

test('`// Prefer current model to minimize switches`', () => {
  const { scheduler, pass } = create({ vram: small })
  for (let index = 0; index < 40; index++)
    scheduler.submit({ id: `${index}`, modelId: index % 2 ? 'a' : 'b' })
  const models: string[] = []
  for (let batch = scheduler.getNextBatch(4); batch; batch = scheduler.getNextBatch(4)) {
    models.push(batch.modelId)
    pass(1000)
    for (const { id } of batch.items) scheduler.complete(id)
  }
  assert.deepEqual(models, [...Array(5).fill('a'), ...Array(5).fill('b')])
  assert.equal(scheduler.status().switchCount, 1)
})

test('`// Find queue with most ready items`: of models that are alike in all else', () => {
  const { scheduler, pass } = create({ vram: small })
  scheduler.submit({ id: 'a1', modelId: 'a' }, { id: 'b1', modelId: 'b' }, { id: 'b2', modelId: 'b' })
  pass(1000)
  assert.deepEqual(idsOf(scheduler.getNextBatch(8)), ['b1', 'b2'])
})

test('`while batch.len() < max_batch_size { if let Some(item) = queue.pop() { batch.push(item) } else { break } }`', () => {
  const { scheduler } = create()
  for (const id of ['a', 'b', 'c']) scheduler.submit({ id, modelId: 'CLAP' })
  assert.deepEqual(idsOf(scheduler.getNextBatch(2)), ['a', 'b'])
  for (const id of ['a', 'b']) scheduler.complete(id)
  assert.deepEqual(idsOf(scheduler.getNextBatch(2)), ['c'])
})

test('`.map(|q| q.ready_count() + q.waiting_count()).sum()`: and, better, what runs is not lost from the sum', () => {
  const { scheduler } = create()
  scheduler.submit({ id: 'a', modelId: 'CLAP' }, { id: 'b', modelId: 'Qwen3', dependencies: ['a'] })
  assert.equal(scheduler.totalPending(), 2)
  scheduler.getNextBatch(8)
  assert.equal(scheduler.totalPending(), 2)
  scheduler.complete('a')
  assert.equal(scheduler.totalPending(), 1)
})

test('figures: what waits, for how long, what runs, what was done, by model', () => {
  const { scheduler, pass } = create()
  scheduler.submit({ id: 'a', modelId: 'CLAP' }, { id: 'q', modelId: 'Qwen3', dependencies: ['a'] })
  pass(1000)
  scheduler.submit({ id: 'b', modelId: 'CLAP' }, { id: 'c', modelId: 'CLAP' })
  pass(2000)
  const waiting = scheduler.status().models.find(({ modelId }) => modelId === 'CLAP')!
  assert.deepEqual(
    [waiting.readyCount, waiting.waitingCount, waiting.longestWaitMs, waiting.meanWaitMs],
    [3, 0, 3000, 2333],
  )
  const batch = scheduler.getNextBatch(2)!
  scheduler.markLoaded('CLAP', 4000)
  pass(500)
  const during = scheduler.status()
  assert.deepEqual(
    during.models.find(({ modelId }) => modelId === 'CLAP'),
    {
      ...{ modelId: 'CLAP', readyCount: 1, waitingCount: 0, runningCount: 2 },
      ...{ longestWaitMs: 2500, meanWaitMs: 2500, isResident: true, bookedBytes: 2e9 },
      ...{ loadCount: 1, evictionCount: 0, batchCount: 1, doneCount: 0, failedCount: 0, runMs: 0 },
    },
  )
  assert.equal(during.models.find(({ modelId }) => modelId === 'Qwen3')!.waitingCount, 1)
  assert.deepEqual([during.pendingCount, during.currentModel], [4, 'CLAP'])
  assert.ok(during.bookedBytes >= 2e9 && during.bookedBytes <= during.usableBytes)
  scheduler.complete(batch.items[0]!.id)
  scheduler.fail(batch.items[1]!.id, 'broken', { retryable: false })
  const after = scheduler.status().models.find(({ modelId }) => modelId === 'CLAP')!
  assert.deepEqual([after.doneCount, after.failedCount, after.runMs], [1, 1, 500])
})

test('figures: why the next batch is what it is, and why an item waits', () => {
  const { scheduler, pass } = create({ vram: small })
  scheduler.submit({ id: 'a1', modelId: 'a' }, { id: 'b1', modelId: 'b' }, { id: 'b2', modelId: 'b' })
  scheduler.submit({ id: 'later', modelId: 'a', dependencies: ['b1'] })
  pass(1000)
  const first = scheduler.getNextBatch(8)!
  assert.match(first.why[0]!, /^b is loaded: its queue deserves the device most \(2 ready\)\.$/)
  assert.match(first.why[1]!, /^b runs 2 items: .*\. Ready too: a\.$/)
  assert.match(scheduler.why('a1').join(' '), /a is not resident.*5 GB.*b 5 GB \(runs a batch/)
  assert.match(scheduler.why('later').join(' '), /waits for "b1" of b, which is running/)
  for (const { id } of first.items) scheduler.complete(id)
  const second = scheduler.getNextBatch(8)!
  assert.match(second.why.join(' '), /^b is evicted: .*\. a is loaded: .*\. a runs 2 items: /)
  assert.deepEqual(scheduler.why('b1'), ['It does not wait: it is done.'])
  assert.throws(() => scheduler.why('b3'), { code: 'UNKNOWN_ITEM' })
})

test('figures: what has become of an item', () => {
  const { scheduler } = create()
  scheduler.submit({ id: 'a', modelId: 'CLAP' }, { id: 'b', modelId: 'Qwen3', dependencies: ['a'] })
  const progress = (id: string) => Object.values(scheduler.get(id) ?? {})
  assert.deepEqual(progress('b'), ['Qwen3', 'blocked', 0, null, null])
  scheduler.getNextBatch()
  assert.deepEqual(progress('a'), ['CLAP', 'leased', 1, null, null])
  scheduler.complete('a', { tags: ['rain'] })
  assert.deepEqual(progress('a'), ['CLAP', 'done', 1, { tags: ['rain'] }, null])
  scheduler.getNextBatch()
  scheduler.fail('b', new Error('no room'), { retryable: false })
  assert.deepEqual(progress('b'), ['Qwen3', 'failed', 1, null, 'no room'])
  assert.equal(scheduler.get('c'), null)
})

test('a model that was lost is loaded again, and an item that was not run is first again', () => {
  const { scheduler } = create()
  for (const id of ['a', 'b']) scheduler.submit({ id, modelId: 'CLAP' })
  assert.deepEqual(scheduler.getNextBatch(1)!.loads, ['CLAP'])
  assert.throws(() => scheduler.markUnloaded('CLAP'), {
    code: 'BAD_VALUE',
    message: /CLAP runs 1 items.*release/,
  })
  scheduler.release('a')
  scheduler.markUnloaded('CLAP')
  assert.deepEqual([scheduler.residentModels(), scheduler.status().bookedBytes], [[], 0])
  const again = scheduler.getNextBatch(1)!
  assert.deepEqual([again.loads, idsOf(again), again.items[0]!.attempt], [['CLAP'], ['a'], 1])
})

test('items of a model that no longer has a place beside pinned ones fail, instead of waiting for ever', () => {
  const pinned = defineModel({ id: 'pinned', vram: '6GB', isPinned: true })
  const { scheduler } = create({ vram: new VramConfig({ totalGb: 8, models: [pinned, ...alike] }) })
  scheduler.submit({ id: 'p', modelId: 'pinned' })
  assert.deepEqual(idsOf(scheduler.getNextBatch()), ['p'])
  scheduler.complete('p')
  scheduler.submit({ id: 'a', modelId: 'a' })
  assert.equal(scheduler.getNextBatch(), null)
  assert.equal(scheduler.totalPending(), 0)
  assert.match(scheduler.get('a')!.error!, /"a" needs 5 GB.*pinned/)
})

test('a load that came before a batch is no part of its time', () => {
  const { scheduler, pass } = create()
  scheduler.submit({ id: 'a', modelId: 'CLAP' }, { id: 'b', modelId: 'DINOv3' })
  const runMs = () => Object.fromEntries(scheduler.status().models.map((each) => [each.modelId, each.runMs]))
  for (const marks of [true, false]) {
    const batch = scheduler.getNextBatch(1)!
    pass(9000)
    if (marks) scheduler.markLoaded(batch.modelId, 9000)
    pass(300)
    scheduler.complete(batch.items[0]!.id)
    const expected = batch.modelId === 'CLAP' ? 200 : 100
    assert.equal(runMs()[batch.modelId], marks ? 300 : expected, 'measured, or as declared')
  }
})

test('what is wrong is said with what to write instead', () => {
  const { scheduler } = create()
  const cases: [() => unknown, string, RegExp][] = [
    [() => scheduler.getNextBatch(0), 'BAD_VALUE', /maxBatchSize is 0.*whole number from 1/],
    [() => scheduler.getNextBatch(1.5), 'BAD_VALUE', /maxBatchSize is 1.5/],
    [() => scheduler.submit({ id: 'a', modelId: 'whisper' }), 'UNKNOWN_MODEL', /"whisper".*CLAP, DINOv3/],
    [() => scheduler.submit({ modelId: 'CLAP' } as never), 'BAD_VALUE', /neither an id nor a source/],
    [() => scheduler.submit({ id: 'a', modelId: 'CLAP', dependencies: ['b'] }), 'UNKNOWN_DEPENDENCY', /"b"/],
    [() => scheduler.markLoaded('CLAP', Number.NaN), 'BAD_VALUE', /milliseconds/],
    [() => scheduler.complete('a'), 'STALE_TOKEN', /"a" is not running/],
    [() => scheduler.fail('a', 'broken', { retryInMs: -1 }), 'BAD_VALUE', /-1 ms/],
    [() => new GpuScheduler({ slots: 0 }), 'BAD_VALUE', /slots is 0/],
    [() => new GpuScheduler({ vram: 16 as never }), 'BAD_VALUE', /new VramConfig/],
    [() => new GpuScheduler({ models: [] }), 'BAD_VALUE', /models is empty/],
    [() => new GpuScheduler({ policy: { maxwait: '1m' } as object }), 'BAD_VALUE', /policy.maxwait.*Options/],
    [() => new GpuScheduler({ policy: { goal: 'speed' } }), 'BAD_VALUE', /latency, balanced, throughput/],
    [
      () => new GpuScheduler({ vram: new VramConfig({ sizes: { CLAP: '3GB' } }), models: mediaModels }),
      'BAD_VALUE',
      /CLAP has one size in vram and another in models/,
    ],
  ]
  for (const [call, code, message] of cases) assert.throws(call, { code, message })
  assert.equal(scheduler.totalPending(), 0)
})

test('in any order of work, what batches say to load and evict keeps the models within the line', () => {
  const models = [3, 4, 2, 1].map((size, index) => defineModel({ id: `m${index}`, vram: `${size}GB` }))
  const model = fc.nat({ max: 3 })
  const one = (type: 'submit' | 'batch' | 'answer' | 'lose', weight: number, priority = 0) => ({
    weight,
    arbitrary: fc.record({ type: fc.constant(type), model, priority: fc.constant(priority) }),
  })
  const step = fc.oneof(
    one('submit', 8),
    one('submit', 2, 9),
    one('batch', 8),
    one('answer', 5),
    one('lose', 1),
  )
  const steps = fc.array(step, { minLength: 40, maxLength: 80, size: 'max' })
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 2 }), (all, slots) => {
      const { scheduler, pass } = create({
        vram: new VramConfig({ total: '6GB', safetyFactor: 1, models }),
        slots,
      })
      const resident = new Set<string>()
      const running: NextBatch[] = []
      const take = (batch: NextBatch) => {
        for (const each of batch.evictions) assert.ok(resident.delete(each), `${each} was loaded`)
        for (const each of batch.loads) assert.ok(!batch.evictions.includes(each) && !resident.has(each))
        for (const each of batch.loads) resident.add(each)
        assert.ok(resident.has(batch.modelId), `${batch.modelId} is loaded when it runs`)
        running.push(batch)
      }
      for (const [index, { type, model, priority }] of all.entries()) {
        const modelId = `m${model}`
        if (type === 'submit') scheduler.submit({ id: `${index}`, modelId, priority })
        else if (type === 'answer') for (const { id } of running.shift()?.items ?? []) scheduler.complete(id)
        else if (type === 'batch') {
          const batch = scheduler.getNextBatch(2)
          if (batch) take(batch)
        } else if (running.every((batch) => batch.modelId !== modelId)) {
          scheduler.markUnloaded(modelId)
          resident.delete(modelId)
        }
        const bytes = models.reduce((sum, each) => sum + (resident.has(each.id) ? each.vramBytes : 0), 0)
        assert.ok(bytes <= 6e9, `${bytes} bytes`)
        assert.deepEqual(scheduler.residentModels(), [...resident].sort())
        pass(index % 9 === 0 ? 40_000 : 500)
      }
    }),
    { numRuns: 500 },
  )
})
