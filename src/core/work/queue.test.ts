import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReadyQueue, type Waiting } from './queue.ts'
import { plainOrder } from './queue-head.ts'

interface Item extends Waiting<Item> {
  name: string
}

function item(name: string, turn: number, rest: Partial<Item> = {}): Item {
  return {
    name,
    turn,
    priority: 0,
    tenant: null,
    latestEndAtMs: null,
    submittedAtMs: 0,
    readyAtMs: 0,
    level: null,
    previous: null,
    next: null,
    ...rest,
  }
}

function taken(queue: ReadyQueue<Item>, maxCount = 1000, urgentBeforeMs: number | null = null): string {
  return queue
    .take(maxCount, { ...plainOrder, urgentBeforeMs })
    .map(({ name }) => name)
    .join(' ')
}

test('what comes out of turn stands at its place, also after it has left and come back', () => {
  const queue = new ReadyQueue<Item>()
  const [a, b, c, d, e] = [item('a', 1), item('b', 2), item('c', 5), item('d', 7), item('e', 3)]
  for (const each of [c, d, b, a, e]) queue.push(each)
  queue.remove(b)
  b.turn = 9
  queue.push(b)
  assert.deepEqual(
    queue.levels().map(({ count, oldestReadyAtMs }) => [count, oldestReadyAtMs]),
    [[5, 0]],
  )
  assert.equal(taken(queue, 2), 'a e')
  queue.push(a)
  queue.remove(a)
  queue.push(a)
  assert.equal(taken(queue), 'a c d b')
  assert.equal(queue.count, 0)
  assert.deepEqual(queue.levels(), [])
})

test('of thousands of deadlines those that are left come in order, whatever became of the others', () => {
  const queue = new ReadyQueue<Item>()
  const items = Array.from({ length: 5000 }, (_, index) =>
    item(`${index}`, index + 1, { latestEndAtMs: 10_000 + ((index * 7919) % 5000) }),
  )
  for (const each of items) queue.push(each)
  for (const [index, each] of items.entries()) if (index % 1000 > 1) queue.remove(each)
  const left = items.filter(({ level }) => level !== null)
  const inOrder = left.toSorted((a, b) => a.latestEndAtMs! - b.latestEndAtMs!).map(({ name }) => name)
  assert.equal(queue.latestEndAtMs, Math.min(...left.map(({ latestEndAtMs }) => latestEndAtMs!)))
  assert.equal(taken(queue, 1000, 20_000), inOrder.join(' '))
  assert.equal(queue.latestEndAtMs, null)
})
