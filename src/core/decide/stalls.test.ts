// Loads against standing still: which one first, and what fills the time until there is room.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { World, words } from '../../../test/support/world.ts'

/** Computes for a second an item, one after another. */
const model = (id: string, gb: number, loadMs: number) => ({
  id,
  vram: `${gb}GB`,
  loadMs,
  batch: { max: 1, perItemMs: 1000, overheadMs: 0 },
})

/** `a` is resident and runs its last items but `left`. */
function busyWith(world: World, left: number): void {
  world.arrive('a', left + 1)
  const [load] = world.step()
  world.finish(load!)
  world.step()
}

test('a device that will stand still loads what computes for as long as the other loads, if it deserves it about as much', () => {
  const loads = (aLeft: number, hysteresis: number) => {
    const models = [model('a', 4, 1000), model('brief', 4, 3000), model('long', 4, 4000)]
    const world = new World(models, [{ id: 'gpu', gb: 8 }], { hysteresis })
    busyWith(world, aLeft)
    world.arrive('long', 4)
    world.arrive('brief', 3, 1)
    return words(world.step())
  }
  assert.deepEqual(loads(1, 2), ['load long'])
  assert.deepEqual(loads(1, 1), ['load brief']) // its bill for its size is larger
  assert.deepEqual(loads(9, 2), ['load brief']) // there is enough to compute meanwhile
})

test('loads what fits beside while visits end that make room for another, if it is there before that', () => {
  const loads = (fillerGb: number, fillerLoadMs: number) => {
    const models = [model('a', 5, 1000), model('first', 5, 6000), model('filler', fillerGb, fillerLoadMs)]
    const world = new World(models, [{ id: 'gpu', gb: 7.2 }])
    busyWith(world, 5)
    world.arrive('first', 20)
    world.arrive('filler', 1)
    return words(world.step())
  }
  assert.deepEqual(loads(2, 4000), ['load filler'])
  assert.deepEqual(loads(2, 9000), []) // it would hold up the load that comes next
  assert.deepEqual(loads(2.5, 4000), []) // there is no room for it
})

test('leaves the memory lane free where interactive items come often', () => {
  const models = [model('a', 5, 1000), model('first', 5, 6000), model('filler', 2, 4000)]
  const world = new World(models, [{ id: 'gpu', gb: 7.2 }])
  busyWith(world, 5)
  world.arrive('first', 20)
  world.arrive('filler', 1)
  Object.assign(world.state.interactive, { lastAtMs: world.nowMs, gapMs: 8000 })
  assert.deepEqual(words(world.step()), [])
  Object.assign(world.state.interactive, { gapMs: 80_000 })
  assert.deepEqual(words(world.step()), ['load filler'])
})
