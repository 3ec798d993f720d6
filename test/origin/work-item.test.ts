// WorkItem, test by test a line of the origin.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { itemId, newItem, openMemoryStore, WorkItem } from '../../src/index.ts'

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

test('`let id = format!("{}_{:?}_{}", video_id, model_type, uuid::Uuid::new_v4())`', () => {
  const items = [1, 2].map(() => new WorkItem({ sourceId: 'v1', modelId: 'Whisper', input: 'v1.wav' }))
  const [source, model, end] = items[0]!.id.split('_')
  assert.deepEqual([source, model], ['v1', 'Whisper'])
  assert.match(end!, uuid)
  assert.notEqual(items[0]!.id, items[1]!.id)
  assert.match(itemId('v1', 'Whisper').split('_')[2]!, uuid)
  assert.match(newItem({ sourceId: 'v1', modelId: 'Whisper' }).id, /^v1_Whisper_[0-9a-f-]{36}$/)
})

test('`priority: priority.unwrap_or(0), dependencies: dependencies.unwrap_or_default(), resolved_deps: HashSet::new()`', () => {
  const item = new WorkItem({ sourceId: 'v1', modelId: 'Whisper', input: 'v1.wav' })
  const { sourceId, modelId, input, priority, dependencies, resolvedDependencies } = item
  assert.deepEqual([sourceId, modelId, input, priority], ['v1', 'Whisper', 'v1.wav', 0])
  assert.deepEqual([dependencies, resolvedDependencies], [[], new Set()])
})

test('`submitted_at: SystemTime::now().duration_since(UNIX_EPOCH)`: now, or what the caller says', () => {
  const before = Date.now()
  const { submittedAtMs } = new WorkItem({ sourceId: 'v1', modelId: 'Whisper' })
  assert.ok(submittedAtMs >= before && submittedAtMs <= Date.now())
  const item = new WorkItem({ sourceId: 'v1', modelId: 'CLAP' }, { clock: () => 7000, uuid: () => '1' })
  assert.deepEqual([item.id, item.submittedAtMs], ['v1_CLAP_1', 7000])
})

test('`self.dependencies.iter().all(|dep| self.resolved_deps.contains(dep))`', () => {
  const item = new WorkItem({ sourceId: 'v1', modelId: 'Qwen3', dependencies: ['a', 'b'] })
  assert.equal(item.isReady, false)
  item.resolveDependency('a')
  assert.equal(item.isReady, false)
  item.resolveDependency('b')
  assert.equal(item.isReady, true)
  assert.equal(new WorkItem({ sourceId: 'v1', modelId: 'CLAP' }).isReady, true, 'it waits for nothing')
})

test('`self.resolved_deps.insert(dep_id.to_string())`: twice is once, and what is not waited for changes nothing', () => {
  const item = new WorkItem({ sourceId: 'v1', modelId: 'Qwen3', dependencies: ['a', 'b'] })
  for (const id of ['a', 'a', 'c']) item.resolveDependency(id)
  assert.deepEqual(item.resolvedDependencies, new Set(['a']))
  assert.equal(item.isReady, false)
})

test('`pub fn waiting_time(&self) -> f64 { now - self.submitted_at }`', () => {
  let nowMs = 1000
  const item = new WorkItem({ sourceId: 'v1', modelId: 'CLAP' }, { clock: () => nowMs })
  assert.equal(item.waitingTime(), 0)
  nowMs = 3500
  assert.equal(item.waitingTime(), 2500)
  assert.equal(item.waitingTime(2000), 1000)
  nowMs = 500
  assert.equal(item.waitingTime(), 0, 'a clock that was set back makes no negative wait')
})

test('better: an item is a dependency, an edge has a policy, and a store takes the item as it is', async () => {
  const first = new WorkItem({ sourceId: 'v1', modelId: 'Whisper' })
  const second = new WorkItem({ sourceId: 'v1', modelId: 'CLAP' })
  const last = new WorkItem({
    ...{ sourceId: 'v1', modelId: 'Qwen3' },
    dependencies: [first, { id: second.id, policy: 'continue' }],
  })
  assert.deepEqual(last.dependencies, [
    { id: first.id, policy: 'fail' },
    { id: second.id, policy: 'continue' },
  ])
  const store = openMemoryStore()
  assert.deepEqual(await store.submit([first, second, last], 0), { addedCount: 3, knownCount: 0 })
  const stored = await store.get(last.id)
  assert.deepEqual([stored?.state, stored?.sourceId], ['blocked', 'v1'])
})

test('better: an id is never made of what is missing', () => {
  // As a program without types calls it.
  const make = (options: object) => () => new WorkItem(options as ConstructorParameters<typeof WorkItem>[0])
  const cases: [() => unknown, RegExp][] = [
    [make({ modelId: 'Whisper' }), /neither an id nor a source.*sourceId: 'v1'/],
    [make({ sourceId: 'v1' }), /model id.*undefined.*"Whisper"/],
    [make({ sourceId: '', modelId: 'Whisper' }), /source id.*""/],
    [make({ sourceId: 'v1', modelId: 'Whisper', priority: 0.5 }), /priority 0.5.*-100 to 100/],
    [make({ sourceId: 'v1', modelId: 'Whisper', priority: 4_000_000_000 }), /-100 to 100/],
    [make({ id: 'x'.repeat(513), modelId: 'Whisper' }), /1 to 512 characters/],
    [make({ sourceId: 'v1', modelId: 'Whisper', dependencies: 'v1_CLAP_1' }), /list of dependencies/],
    [make({ sourceId: 'v1', modelId: 'Whisper', dependencies: [undefined] }), /list of dependencies/],
    [() => itemId('v1', undefined as unknown as string), /model id.*undefined/],
    [() => itemId('v1', 'Whisper', ''), /uuid.*""/],
  ]
  for (const [call, message] of cases) assert.throws(call, { code: 'BAD_VALUE', message })
})
