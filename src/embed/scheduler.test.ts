import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { defineModel, mediaModels } from '../core/model.ts'
import { VramSemaphore } from '../core/semaphore.ts'
import { VramConfig } from '../core/vram.ts'
import { GpuScheduler } from './scheduler.ts'

function create(totalGb: number, models = mediaModels) {
  let nowMs = 0
  const scheduler = new GpuScheduler({
    vram: new VramConfig({ totalGb, safetyFactor: 0.9 }),
    models,
    clock: () => nowMs,
  })
  return {
    scheduler,
    pass: (ms: number) => {
      nowMs += ms
    },
  }
}

test('the five models of the seed fit 14.4 GB together: each is loaded once and none is evicted', () => {
  const { scheduler, pass } = create(16)
  for (let video = 0; video < 20; video++) {
    const first = ['Whisper', 'VideoMAE', 'CLAP', 'DINOv3'].map((modelId) => ({
      id: `v${video}_${modelId}`,
      modelId,
    }))
    scheduler.submit(...first, {
      id: `v${video}_Qwen3`,
      modelId: 'Qwen3',
      dependencies: first.map(({ id }) => id),
    })
  }
  const loads: string[] = []
  const done: string[] = []
  for (let batch = scheduler.getNextBatch(); batch; batch = scheduler.getNextBatch()) {
    loads.push(...batch.loads)
    assert.deepEqual(batch.evictions, [])
    pass(1000)
    for (const { id } of batch.items) {
      scheduler.complete(id)
      done.push(id)
    }
  }
  assert.deepEqual(loads.sort(), ['CLAP', 'DINOv3', 'Qwen3', 'VideoMAE', 'Whisper'])
  assert.equal(new Set(done).size, 100)
  assert.equal(scheduler.totalPending(), 0)
  for (let video = 0; video < 20; video++) {
    assert.ok(done.indexOf(`v${video}_Qwen3`) > done.indexOf(`v${video}_Whisper`), 'after what it waits for')
  }
})

test('on a smaller card models take turns, and what is resident never exceeds the budget', () => {
  const { scheduler, pass } = create(8)
  for (let video = 0; video < 10; video++) {
    for (const { id } of mediaModels) scheduler.submit({ id: `v${video}_${id}`, modelId: id })
  }
  let evictions = 0
  for (let batch = scheduler.getNextBatch(); batch; batch = scheduler.getNextBatch()) {
    evictions += batch.evictions.length
    const bytes = scheduler
      .residentModels()
      .reduce((sum, id) => sum + mediaModels.find((each) => each.id === id)!.vramBytes, 0)
    assert.ok(bytes <= 7.2e9, `${bytes} are resident`)
    pass(1000)
    for (const { id } of batch.items) scheduler.complete(id)
  }
  assert.ok(evictions > 0)
  assert.equal(scheduler.totalPending(), 0)
})

test('a dependency that was resolved before its dependent came counts', () => {
  const { scheduler } = create(16)
  scheduler.resolveDependency('from-elsewhere')
  scheduler.submit({ id: 'a', modelId: 'CLAP', dependencies: ['from-elsewhere'] })
  assert.deepEqual(
    scheduler.getNextBatch()?.items.map(({ id }) => id),
    ['a'],
  )
})

test('one batch runs at a time unless there are more slots, and each item is reported once', () => {
  const { scheduler } = create(16)
  scheduler.submit({ id: 'a', modelId: 'CLAP' }, { id: 'b', modelId: 'CLAP' })
  assert.equal(scheduler.getNextBatch(1)!.items.length, 1)
  assert.equal(scheduler.getNextBatch(1), null)
  scheduler.complete('a')
  assert.throws(() => scheduler.complete('a'), { code: 'STALE_TOKEN' })
  assert.deepEqual(
    scheduler.getNextBatch(1)?.items.map(({ id }) => id),
    ['b'],
  )
})

test('a failed item is tried again, then its dependents fail', () => {
  const { scheduler } = create(16)
  scheduler.submit(
    { id: 'a', modelId: 'CLAP', maxAttempts: 2 },
    { id: 'b', modelId: 'CLAP', dependencies: ['a'] },
  )
  for (let attempt = 1; attempt <= 2; attempt++) {
    assert.equal(scheduler.getNextBatch()!.items[0]!.attempt, attempt)
    scheduler.fail('a', new Error('broken'))
  }
  assert.equal(scheduler.getNextBatch(), null)
  assert.equal(scheduler.totalPending(), 0)
})

test('refuses a model that can never fit, an unknown one, and a device that makes no sense', () => {
  const { scheduler } = create(16, [defineModel({ id: 'sdxl', vram: '26GB' })])
  assert.throws(() => scheduler.submit({ id: 'a', modelId: 'sdxl' }), {
    code: 'NEVER_FITS',
    message: /26 GB.*14.4 GB/,
  })
  assert.throws(() => scheduler.submit({ id: 'a', modelId: 'sdxxl' }), { code: 'UNKNOWN_MODEL' })
  assert.throws(() => new VramConfig({ totalGb: 0 }), { code: 'BAD_VALUE' })
  assert.throws(() => new VramConfig({ totalGb: 16, safetyFactor: 1.1 }), { code: 'BAD_VALUE' })
  assert.throws(() => new VramConfig({ total: '16GB' }).assertFits(defineModel({ id: 'x', vram: '15GB' })), {
    code: 'NEVER_FITS',
  })
})

test('a measured load replaces the declared one', () => {
  const { scheduler } = create(16)
  scheduler.submit({ id: 'a', modelId: 'CLAP' })
  assert.deepEqual(scheduler.getNextBatch()!.loads, ['CLAP'])
  scheduler.markLoaded('CLAP', 9000)
  assert.throws(() => scheduler.markLoaded('CLIP', 9000), { code: 'UNKNOWN_MODEL' })
})

test('the semaphore serves in order: a large request is not overtaken, and one that gives up lets the next through', async () => {
  const vram = new VramSemaphore('10GB')
  const first = await vram.acquire('8GB')
  const told: string[] = []
  const giveUp = new AbortController()
  const large = vram.acquire('9GB', { signal: giveUp.signal }).catch((error) => told.push(error.code))
  const small = vram.acquire('1GB').then((permit) => {
    told.push('small')
    return permit
  })
  assert.equal(vram.waitingCount, 2)
  assert.equal(vram.tryAcquire('1GB'), null, 'there is room, but others were first')
  giveUp.abort()
  await large
  const permit = await small
  assert.deepEqual(told.sort(), ['ABORTED', 'small'])
  first.release()
  first.release()
  permit.release()
  assert.equal(vram.availableBytes, 10e9)
  await assert.rejects(vram.acquire('11GB'), { code: 'NEVER_FITS' })
  {
    using held = await vram.acquire(4.5e9)
    assert.equal(vram.availableBytes, 10e9 - held.bytes)
  }
  assert.equal(vram.availableBytes, 10e9)
})

test('the semaphore never gives more than there is, and all of it comes back', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 10 }), { minLength: 1, maxLength: 30 }),
      async (sizes) => {
        const vram = new VramSemaphore(10)
        let heldBytes = 0
        await Promise.all(
          sizes.map(async (bytes) => {
            const permit = await vram.acquire(bytes)
            heldBytes += bytes
            assert.ok(heldBytes <= 10)
            await Promise.resolve()
            heldBytes -= bytes
            permit.release()
          }),
        )
        assert.equal(vram.availableBytes, 10)
      },
    ),
  )
})

test('a submission names the deadlines that cannot be met, and runs their items all the same', () => {
  const { scheduler, pass } = create(16)
  pass(500)
  // DINOv3 loads 6 s and runs 0.1 s, Qwen3 loads 10 s more and runs 1 s.
  const { ids, infeasibleDeadlines } = scheduler.submit(
    { id: 'a', modelId: 'DINOv3', deadlineAtMs: 500 + 6100 },
    { id: 'b', modelId: 'Qwen3', dependencies: ['a'], deadlineAtMs: 500 + 10_000 },
    { id: 'c', modelId: 'Qwen3' },
  )
  assert.deepEqual(ids, ['a', 'b', 'c'])
  assert.deepEqual(infeasibleDeadlines, [
    { id: 'b', modelId: 'Qwen3', givenMs: 10_000, neededMs: 17_000, loadedMs: 1100 },
  ])
  const late = scheduler.submit({ id: 'd', modelId: 'Qwen3', dependencies: ['b'], deadlineAtMs: 18_400 })
  assert.deepEqual(
    late.infeasibleDeadlines.map(({ neededMs }) => neededMs),
    [18_000],
    'over items of an earlier call',
  )
  const again = scheduler.submit({ id: 'c', modelId: 'Qwen3', deadlineAtMs: 0 })
  assert.deepEqual(again, { ids: ['c'], infeasibleDeadlines: [] }, 'a known id changes nothing')
  let count = 0
  for (let batch = scheduler.getNextBatch(); batch; batch = scheduler.getNextBatch()) {
    for (const { id } of batch.items) scheduler.complete(id)
    count += batch.items.length
  }
  assert.equal(count, 4)
  assert.deepEqual(
    scheduler.submit({ id: 'e', modelId: 'Qwen3', deadlineAtMs: 1600 }).infeasibleDeadlines,
    [],
    'its model is loaded',
  )
})
