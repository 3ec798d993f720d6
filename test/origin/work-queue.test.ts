// WorkQueue, test by test a line of the origin.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { WorkItem, WorkQueue } from '../../src/index.ts'

function item(id: string, priority = 0, dependencies: string[] = []): WorkItem {
  return new WorkItem({ id, modelId: 'Whisper', priority, dependencies }, { clock: () => 0 })
}

function popAll(queue: WorkQueue): string[] {
  const ids: string[] = []
  for (let next = queue.pop(); next !== null; next = queue.pop()) ids.push(next.id)
  return ids
}

test('`pub fn new(model_type: ModelType) -> Self`: a queue is empty at first', () => {
  const queue = new WorkQueue('Whisper')
  assert.deepEqual([queue.modelId, queue.readyCount, queue.waitingCount], ['Whisper', 0, 0])
  assert.equal(queue.pop(), null)
})

test('`.position(|i| i.priority < item.priority)`: higher priority first, then first in, first out', () => {
  const queue = new WorkQueue('Whisper')
  for (const [id, priority] of [
    ['a', 0],
    ['b', 5],
    ['c', 0],
    ['d', 5],
    ['e', 9],
    ['f', -1],
  ] as const) {
    queue.push(item(id, priority))
  }
  assert.equal(queue.readyCount, 6)
  assert.deepEqual(popAll(queue), ['e', 'b', 'd', 'a', 'c', 'f'])
})

test('`if item.is_ready() { … } else { self.waiting_items.push(item) }`', () => {
  const queue = new WorkQueue('Whisper')
  queue.push(item('a'))
  queue.push(item('b', 9, ['x']))
  assert.deepEqual([queue.readyCount, queue.waitingCount], [1, 1])
  assert.deepEqual(popAll(queue), ['a'])
})

test('`if self.waiting_items[i].is_ready() { … newly_ready.push(item) }`: when all is there, by priority', () => {
  const queue = new WorkQueue('Whisper')
  queue.push(item('ready'))
  queue.push(item('both', 0, ['x', 'y']))
  queue.push(item('one', 0, ['x']))
  queue.push(item('first', 9, ['x']))
  queue.resolveDependency('x')
  assert.deepEqual([queue.readyCount, queue.waitingCount], [3, 1])
  queue.resolveDependency('x')
  queue.resolveDependency('y')
  assert.deepEqual([queue.readyCount, queue.waitingCount], [4, 0])
  assert.deepEqual(popAll(queue), ['first', 'ready', 'one', 'both'])
})

test('`self.ready_items.pop_front()`: what is taken is gone, and may come back', () => {
  const queue = new WorkQueue('Whisper')
  const taken = item('a')
  queue.push(taken)
  assert.equal(queue.pop(), taken)
  assert.equal(queue.readyCount, 0)
  queue.push(taken)
  assert.equal(queue.pop(), taken)
})

test('better: what was resolved before its dependent came counts', () => {
  const queue = new WorkQueue('Whisper')
  queue.resolveDependency('x')
  queue.push(item('a', 0, ['x']))
  assert.deepEqual(popAll(queue), ['a'])
})

test('better: an item is in the queue once, also when its owner resolves it', () => {
  const queue = new WorkQueue('Whisper')
  const own = item('a', 0, ['x', 'y'])
  queue.push(own)
  queue.push(own)
  own.resolveDependency('y')
  queue.resolveDependency('x')
  queue.resolveDependency('y')
  queue.push(own)
  assert.deepEqual([queue.readyCount, queue.waitingCount], [1, 0])
  assert.deepEqual(popAll(queue), ['a'])
})

test('better: what does not belong into the queue is refused with what to do', () => {
  const queue = new WorkQueue('Whisper')
  const other = new WorkItem({ id: 'a', modelId: 'CLAP' })
  assert.throws(() => queue.push(other), { code: 'BAD_VALUE', message: /"a" is of CLAP.*GpuScheduler/ })
  assert.throws(() => queue.push({ id: 'a' } as unknown as WorkItem), { message: /new WorkItem/ })
  assert.throws(() => new WorkQueue('' as never), {
    code: 'BAD_VALUE',
    message: /new WorkQueue\('Whisper'\)/,
  })
})

test('whatever is pushed and resolved in whatever order comes out as the origin orders it', () => {
  const names = ['x', 'y', 'z']
  const step = fc.oneof(
    fc.record({ priority: fc.integer({ min: -2, max: 2 }), needs: fc.subarray(names) }),
    fc.constantFrom(...names),
    fc.constant(null),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const queue = new WorkQueue('Whisper')
      const resolved = new Set<string>()
      let ready: WorkItem[] = []
      let waiting: WorkItem[] = []
      for (const [index, each] of steps.entries()) {
        if (each === null) assert.equal(queue.pop(), ready.shift() ?? null)
        else if (typeof each === 'string') {
          resolved.add(each)
          queue.resolveDependency(each)
        } else {
          const pushed = item(`${index}`, each.priority, each.needs)
          waiting.push(pushed)
          queue.push(pushed)
        }
        const isReady = ({ dependencies }: WorkItem) => dependencies.every(({ id }) => resolved.has(id))
        // The origin's insertion: before the first of lower priority. Sorting is stable.
        ready = [...ready, ...waiting.filter(isReady)].sort((a, b) => b.priority - a.priority)
        waiting = waiting.filter((each) => !isReady(each))
        assert.deepEqual([queue.readyCount, queue.waitingCount], [ready.length, waiting.length])
      }
      assert.deepEqual(
        popAll(queue),
        ready.map(({ id }) => id),
      )
    }),
  )
})
