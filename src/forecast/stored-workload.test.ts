// Items of a store as a workload: what ran, once more, and what is left of a run.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newItem, type StoredItem } from '../core/work/item.ts'
import { leftToDo, ranBefore } from './stored-workload.ts'

type Written = Partial<Omit<StoredItem, 'dependencies'>> & { id: string; after?: string[] }

/** Items that were submitted at 1000, in this order; those that ended ran. */
function stored(...written: Written[]): StoredItem[] {
  return written.map(({ after = [], ...more }, index) => {
    const { id } = more
    const item = newItem({ id, modelId: 'm', dependencies: after })
    const state = more.state ?? 'ready'
    const ranAtMs = state === 'done' || state === 'failed' ? 2000 : null
    const rest = { effectivePriority: 0, latestEndAtMs: null, output: null, error: null, attempt: 1 }
    const times = { submittedAtMs: 1000, readyAtMs: null, startedAtMs: ranAtMs, endedAtMs: ranAtMs }
    return { ...item, ...rest, ...times, sequence: index + 1, parentId: null, state, ...more }
  })
}

const links = (items: readonly { id: string; after: readonly string[] }[]) =>
  items.map(({ id, after }) => (after.length > 0 ? `${id} after ${after.join(', ')}` : id))

test('what ran is run again at the moments it was submitted, with what its caller said of it', () => {
  const [first, second] = ranBefore(
    stored(
      { id: 'a', state: 'done', sourceId: 'one.txt', priority: 3, tenant: 'x', deadlineAtMs: 9000 },
      { id: 'b', state: 'failed', after: ['a'], submittedAtMs: 1500 },
    ),
    1000,
  )
  assert.deepEqual(first, {
    id: 'a',
    model: 'm',
    atMs: 0,
    after: [],
    job: 'one.txt',
    priority: 3,
    deadlineMs: 8000,
    costMs: null,
    tenant: 'x',
  })
  assert.deepEqual([second!.atMs, second!.after, second!.job], [500, ['a'], 'b'])
})

test('what never ran is left out, and what waited for it waits for what that waited for', () => {
  const items = stored(
    { id: 'a', state: 'done' },
    { id: 'b', state: 'skipped', after: ['a'] },
    { id: 'c', state: 'done', after: ['b'] },
    { id: 'd', state: 'cancelled', after: ['c'] },
  )
  assert.deepEqual(links(ranBefore(items, 0)), ['a', 'c after a'])
})

test('a fan-out stands for the parts that it made', () => {
  const items = stored(
    { id: 'list', state: 'done' },
    { id: 'maker', state: 'done', after: ['list', 'part1', 'part2'], startedAtMs: null },
    { id: 'part1', state: 'done', parentId: 'maker' },
    { id: 'part2', state: 'done', parentId: 'maker' },
    { id: 'sum', state: 'done', after: ['maker'] },
  )
  assert.deepEqual(links(ranBefore(items, 0)), [
    'list',
    'part1 after list',
    'part2 after list',
    'sum after list, part1, part2',
  ])
})

test('what is left begins now, and does not wait for what has ended', () => {
  const left = leftToDo(
    stored(
      { id: 'a', state: 'done' },
      { id: 'b', state: 'ready', after: ['a'], deadlineAtMs: 6000 },
      { id: 'c', state: 'blocked', after: ['b'], deadlineAtMs: 500 },
    ),
    new Map(),
    1000,
  )
  assert.deepEqual(links(left), ['b', 'c after b'])
  assert.deepEqual(
    left.map(({ atMs, deadlineMs }) => [atMs, deadlineMs]),
    [
      [0, 5000],
      [0, 0],
    ],
  )
})

test('of a step that waits as many items are left as ran of it so far', () => {
  const waiting = Array.from({ length: 4 }, (_, index): Written[] => [
    { id: `a${index}`, state: 'ready', step: 'first' },
    { id: `b${index}`, state: 'blocked', step: 'half', after: [`a${index}`] },
    { id: `c${index}`, state: 'blocked', step: 'last', after: [`b${index}`] },
  ]).flat()
  const shapes = new Map([['half', { runRatio: 0.5, partCount: 1 }]])
  assert.deepEqual(links(leftToDo(stored(...waiting), shapes, 0)), [
    'a0',
    'c0 after a0',
    'a1',
    'b1 after a1',
    'c1 after b1',
    'a2',
    'c2 after a2',
    'a3',
    'b3 after a3',
    'c3 after b3',
  ])
})

test('a fan-out that has not been made stands for as many parts as others made, one that has for its own', () => {
  const items = stored(
    { id: 'maker', state: 'blocked', step: 'parts', after: ['part1', 'part2'] },
    { id: 'part1', state: 'done', parentId: 'maker' },
    { id: 'part2', state: 'ready', parentId: 'maker' },
    { id: 'sum', state: 'blocked', step: 'sum', after: ['maker'] },
    { id: 'other', state: 'blocked', step: 'parts' },
    { id: 'total', state: 'blocked', step: 'sum', after: ['other'] },
  )
  const shapes = new Map([['parts', { runRatio: 1, partCount: 3 }]])
  assert.deepEqual(links(leftToDo(items, shapes, 0)), [
    'part2',
    'sum after part2',
    'other#0',
    'other#1',
    'other#2',
    'total after other#0, other#1, other#2',
  ])
})
