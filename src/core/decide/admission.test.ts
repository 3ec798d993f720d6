import assert from 'node:assert/strict'
import { test } from 'node:test'
import { World } from '../../../test/support/world.ts'
import { formatInfeasible, type InfeasibleDeadline, infeasibleDeadlines, type OpenItem } from './admission.ts'

/** Runs of 1 s an item; loads of 5 s (a) and 8 s (b), and of 2 s beside the devices (aside). */
const models = [
  { id: 'a', vram: '4GB', loadMs: 5000, batch: { overheadMs: 0, perItemMs: 1000 } },
  { id: 'b', vram: '6GB', loadMs: 8000, unloadMs: 300, batch: { overheadMs: 0, perItemMs: 1000 } },
  { id: 'aside', vram: 0, loadMs: 2000, batch: { overheadMs: 0, perItemMs: 1000 } },
]

type Written = Partial<OpenItem> & { after?: string[] }

/** Items by id, `<model>…`, each of the model that its id begins with; the last one has the deadline. */
function neededMs(world: World, written: Record<string, Written>): Omit<InfeasibleDeadline, 'givenMs'> {
  const items = Object.entries(written).map(([id, { after = [], ...rest }]): OpenItem => {
    const dependencies = after.map((each) => ({ id: each }))
    return { id, modelId: id.replace(/\d+$/, ''), dependencies, deadlineAtMs: null, ...rest }
  })
  const byId = new Map(items.map((each) => [each.id, each]))
  const last = { ...items.at(-1)!, deadlineAtMs: world.nowMs }
  const [found] = infeasibleDeadlines(world.state, [last], (id) => byId.get(id) ?? null, world.nowMs)
  const { givenMs, ...rest } = found!
  assert.equal(givenMs, 0)
  return rest
}

const ways: [string, Record<string, Written>, { gb: number }[], number, number][] = [
  ['a load and a run', { a1: {} }, [{ gb: 16 }], 6000, 1000],
  ['one load for two items of a model', { a1: {}, a2: { after: ['a1'] } }, [{ gb: 16 }], 7000, 2000],
  ['two loads, one after another', { a1: {}, b1: { after: ['a1'] } }, [{ gb: 16 }], 14_000, 2000],
  ['two loads side by side on two devices', { a1: {}, b1: { after: ['a1'] } }, Array(2).fill({ gb: 16 }), 9000, 2000],
  ['a load after what has to go first', { a1: {}, b1: { after: ['a1'] } }, [{ gb: 8 }], 15_300, 10_300],
  ['the longest of several ways', { a1: {}, a2: { after: ['a1'] }, b1: {}, a3: { after: ['a2', 'b1'] } }, [{ gb: 16 }], 14_000, 3000],
  ['a load beside the devices', { a1: {}, aside1: { after: ['a1'] } }, [{ gb: 16 }], 7000, 2000],
  ['not what may be skipped', { b1: { maySkip: true }, a1: { after: ['b1'] } }, [{ gb: 16 }], 6000, 1000],
  ['what one that may be skipped waits for', { a1: {}, b1: { maySkip: true, after: ['a1'] }, a2: { after: ['b1'] } }, [{ gb: 16 }], 7000, 2000],
  ['itself, though it may be skipped', { a1: { maySkip: true } }, [{ gb: 16 }], 6000, 1000],
  ['not what runs and may end now', { b1: { isRunning: true }, a1: { after: ['b1'] } }, [{ gb: 16 }], 6000, 1000],
  ['not what has ended', { a1: { after: ['gone'] } }, [{ gb: 16 }], 6000, 1000],
] // biome-ignore format: a table

for (const [what, items, devices, needed, loaded] of ways) {
  test(`the shortest way to a deadline counts ${what}`, () => {
    const world = new World(
      models,
      devices.map(({ gb }, index) => ({ id: `gpu${index}`, gb })),
    )
    const { neededMs: foundMs, loadedMs } = neededMs(world, items)
    assert.deepEqual([foundMs, loadedMs], [needed, loaded])
  })
}

test('a deadline that the shortest way just meets is not reported, one a millisecond before it is', () => {
  const { state } = new World(models, [{ id: 'gpu', gb: 16 }])
  const at = (deadlineAtMs: number | null) => {
    const item = { id: 'a1', modelId: 'a', dependencies: [], deadlineAtMs }
    return infeasibleDeadlines(state, [item], () => null, 100).map(({ givenMs }) => givenMs)
  }
  assert.deepEqual(at(6100), [])
  assert.deepEqual(at(6099), [5999])
  assert.deepEqual(at(null), [])
})

test('what is loaded is not loaded again, and a measured pace replaces the declared one', () => {
  const world = new World(models, [{ id: 'gpu', gb: 16 }])
  world.arrive('a', 1)
  world.settle()
  assert.equal(neededMs(world, { a1: {} }).neededMs, 1000)
  const each = world.state.modelById.get('a')!
  each.model = { ...each.model, batch: { ...each.model.batch, perItemMs: 400 } }
  assert.equal(neededMs(world, { a1: {} }).neededMs, 400)
})

test('a chain of a hundred thousand items is walked without recursion, and beyond a bound ways are taken as shorter', () => {
  const { state } = new World(models, [{ id: 'gpu', gb: 16 }])
  const items = Array.from({ length: 100_000 }, (_, index): OpenItem => {
    const dependencies = index > 0 ? [{ id: `a${index - 1}` }] : []
    return { id: `a${index}`, modelId: 'a', dependencies, deadlineAtMs: 0 }
  })
  const byId = new Map(items.map((each) => [each.id, each]))
  const open = (id: string) => byId.get(id) ?? null
  const together = infeasibleDeadlines(state, items, open, 0)
  assert.equal(together.at(-1)!.neededMs, 5000 + 100_000 * 1000)
  const [alone] = infeasibleDeadlines(state, items.slice(-1), open, 0)
  assert.ok(alone!.neededMs > 5000 + 10_000 * 1000 && alone!.neededMs < 5000 + 10_010 * 1000)
})

test('says by how much a deadline is missed and what would do', () => {
  assert.equal(
    formatInfeasible({ givenMs: 10_000, neededMs: 17_200, loadedMs: 2200 }),
    'it ends 7.2 s late, even alone on the machine: 10 s are given, and loads and runs on the way to it take 17.2 s. Give 17.2 s or more, or have the models loaded before: then 2.2 s are enough.',
  )
  assert.match(
    formatInfeasible({ givenMs: 1000, neededMs: 17_200, loadedMs: 2200 }),
    /its runs alone take 2\.2 s\.$/,
  )
  assert.match(formatInfeasible({ givenMs: -60_000, neededMs: 1, loadedMs: 1 }), /^it passed 1 min ago\. /)
})
