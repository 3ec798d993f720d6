// One example for each rule that decides between queues; decide.test.ts has those about memory.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { World, words } from '../../../test/support/world.ts'
import { throughput } from '../policy.ts'
import { decide } from './decide.ts'
import { View } from './view.ts'

const gb4 = (id: string, loadMs = 4000) => ({ id, vram: '4GB', loadMs, batch: { max: 4 } })

test('stretches the wait bound to the backlog of an overload, until a tenth of it is left', () => {
  const models = [{ ...gb4('a', 100), batch: { perItemMs: 1000, overheadMs: 0, max: 1 } }]
  const world = new World(models, [{ id: 'gpu', gb: 8 }], { maxWait: 1000, backlogFactor: 1 })
  const boundMs = () => new View(world.state, world.nowMs).waitBoundMs
  assert.equal(boundMs(), 1000)
  world.arrive('a', 20)
  assert.equal(boundMs(), 20_000)
  for (const leftCount of [10, 2, 1]) {
    show(world, 'a', leftCount)
    assert.equal(boundMs(), leftCount > 1 ? 20_000 : 1000)
  }
})

/** The queue has so many items left. */
function show(world: World, modelId: string, count: number): void {
  world.queues.set(modelId, world.queues.get(modelId)!.slice(0, count))
  world.arrive(modelId, 0)
}

test('an interactive item that has waited longer goes first, whatever ordinary work its model has', () => {
  const world = new World([gb4('a'), gb4('b')], [{ id: 'gpu', gb: 4 }])
  world.arrive('a', 1, 9)
  world.nowMs += 100
  world.arrive('b', 50)
  world.arrive('b', 1, 10)
  assert.deepEqual(words(world.step()), ['load a'])
})

test('begins on a cold device with a large model that soon makes room where they do not fit together', () => {
  const models = [
    { id: 'long', vram: '4GB', loadMs: 5000, batch: { perItemMs: 1000 } },
    { id: 'large', vram: '6GB', loadMs: 8000, batch: { perItemMs: 1000 } },
    { id: 'small', vram: '1GB', loadMs: 6000, batch: { perItemMs: 100 } },
  ]
  const first = (gb: number) => {
    const world = new World(models, [{ id: 'gpu', gb }])
    for (const { id } of models) world.block(id, [{ modelId: 'none', count: 0 }])
    for (const { id } of models) world.arrive(id, 4)
    return words(world.step())
  }
  assert.deepEqual(first(7), ['load large'])
  assert.deepEqual(first(12), ['load long'])
})

test('begins on a cold device with what is complete rather than with what would have to be loaded again', () => {
  const first = (waitsFor: string) => {
    const world = new World([gb4('a'), gb4('b')], [{ id: 'gpu', gb: 4 }])
    world.block('a', [{ modelId: waitsFor, count: 4 }])
    world.arrive('a', 4)
    world.arrive('b', 3)
    return words(world.step())
  }
  assert.deepEqual(first('b'), ['load b'])
  assert.deepEqual(first('a'), ['load a']) // its own items free the others
})

test('a free device loads a model that is nowhere before a copy of one that is only being loaded', () => {
  const world = new World(
    [gb4('a'), gb4('b')],
    [0, 1].map((index) => ({ id: `gpu${index}`, gb: 4 })),
  )
  world.arrive('a', 90)
  world.arrive('b', 1)
  assert.deepEqual(words(world.step()), ['load a', 'load b'])
})

test('copies a model only where each copy would still have loads of work', () => {
  const loads = (count: number) => {
    const world = new World(
      [gb4('a')],
      [0, 1].map((index) => ({ id: `gpu${index}`, gb: 4 })),
      {
        copyFreeFactor: 1,
      },
    )
    world.arrive('a', count)
    return words(world.step()).filter((each) => each === 'load a').length
  }
  assert.equal(loads(36), 1) // 36 items: 9 batches of 0.85 s; 3.8 s a copy, a load takes 4 s
  assert.equal(loads(44), 2)
})

test('while another model waits, the visit that gives its room back soonest is finished first', () => {
  const models = [
    { id: 'a', vram: '2GB', loadMs: 4000, batch: { perItemMs: 1000, max: 1 } },
    { id: 'b', vram: '6GB', loadMs: 4000, batch: { perItemMs: 1000, max: 1 } },
    { id: 'c', vram: '6GB', loadMs: 4000, batch: { max: 1 } },
  ]
  const world = new World(models, [{ id: 'gpu', gb: 8 }])
  world.resident('a', 'b')
  for (const { id } of models) world.arrive(id, 3)
  for (const instance of world.state.instanceById.values()) instance.quotaCount = 3
  assert.deepEqual(words(world.step()), ['run b'])
})

test('with nothing to load, jobs that are nearly done end first', () => {
  const both = (waitsOn: { modelId: string; count: number }[]) => {
    const world = new World([gb4('first'), gb4('last')], [{ id: 'gpu', gb: 8 }])
    world.resident('first', 'last')
    world.block('last', waitsOn)
    world.arrive('first', 4)
    world.arrive('last', 4)
    return words(world.step())
  }
  assert.deepEqual(both([{ modelId: 'first', count: 4 }]), ['run last'])
  assert.deepEqual(both([]), ['run first'])
})

test('a queue that is blocked in part comes later once nothing was submitted to it for twenty loads', () => {
  const decision = (quietMs: number) => {
    const world = new World([gb4('a'), gb4('b'), gb4('c')], [{ id: 'gpu', gb: 4 }])
    world.resident('c')
    world.block('a', [{ modelId: 'b', count: 20 }])
    world.arrive('a', 8)
    world.arrive('b', 4)
    world.nowMs += quietMs
    return words([decide(world.state, world.nowMs).command!])
  }
  assert.deepEqual(decision(79_000), ['stop c for a']) // of 4 s each
  assert.deepEqual(decision(81_000), ['stop c for b'])
})

test('goal throughput loads the queue that is complete before one that will grow, and the one with more below it', () => {
  const world = new World([gb4('a'), gb4('b'), gb4('c')], [{ id: 'gpu', gb: 4 }], { goal: throughput })
  world.resident('c')
  world.block('a', [{ modelId: 'b', count: 20 }])
  world.arrive('a', 8)
  world.arrive('b', 4)
  const [stop] = world.step()
  assert.deepEqual(words([stop!]), ['stop c for b'])
  world.finish(stop!)
  assert.deepEqual(words(world.step()), ['load b'])
})

test('a load ahead takes the place of an idle model only if that can be back in time, or for more', () => {
  const decision = (neededInMs: number, heldNeededInMs: number) => {
    const world = new World([gb4('held'), gb4('needed')], [{ id: 'gpu', gb: 4 }], { prefetchGain: 2 })
    world.resident('needed', 'held')
    const expect = (id: string, gapMs: number) =>
      Object.assign(world.state.modelById.get(id)!.arrivals, { lastAtMs: world.nowMs, gapMs })
    expect('needed', neededInMs)
    expect('held', heldNeededInMs)
    return words(world.step())
  }
  const swap = ['stop held for needed']
  assert.deepEqual(decision(900, 2250), swap) // 2.5 times as late, and two loads of 1 s fit in between
  assert.deepEqual(decision(1500, 2250), []) // 1.5 times
  assert.deepEqual(decision(760, 1900), []) // 2.5 times, but it would be late
  assert.deepEqual(decision(500, 1900), swap) // 3.8 times
})

test('ordinary work spares an idle model whose last known items end before it could be loaded again', () => {
  const models = ['held', 'above', 'wanted'].map((id) => ({ id, vram: '4GB', batch: short }))
  const decision = (count: number, priority: number) => {
    const world = new World(models, [{ id: 'gpu', gb: 8 }])
    world.resident('held', 'above')
    world.arrive('above', 1)
    world.block('held', [{ modelId: 'above', count }])
    world.step()
    world.arrive('wanted', 5, priority)
    return words(world.step())
  }
  const stop = ['stop held for wanted']
  assert.deepEqual(decision(1, 0), []) // 0.5 s until it has work, 0.2 s of that; a load of 1 s
  assert.deepEqual(decision(3, 0), stop)
  assert.deepEqual(decision(1, 10), stop)
})

const short = { perItemMs: 200, overheadMs: 0, max: 1 }

test('while interactive items come other batches are no longer than interactiveWait, unless that costs a tenth', () => {
  const largest = (perItemMs: number, overheadMs: number, priority: number) => {
    const world = new World(
      [{ id: 'a', vram: '4GB', batch: { perItemMs, overheadMs, max: 8 } }],
      [{ id: 'gpu', gb: 4 }],
      { interactiveWait: 10_000 },
    )
    world.arrive('a', 1, priority)
    world.settle()
    world.arrive('a', 8)
    return world.nextBatch().maxCount
  }
  assert.equal(largest(2000, 100, 0), 8)
  assert.equal(largest(2000, 100, 10), 4)
  assert.equal(largest(500, 8000, 10), 7) // 6 would take 1.83 s an item instead of 1.5 s
})

test('a batch that begins while a model is loaded for an interactive item is over when that is there', () => {
  const models = ['a', 'wanted'].map((id) => ({ id, vram: '4GB', loadMs: 1000, batch: { ...short, max: 8 } }))
  const largest = (priority: number) => {
    const world = new World(models, [{ id: 'gpu', gb: 8 }])
    world.resident('a')
    world.arrive('a', 8)
    world.arrive('wanted', 1, priority)
    const commands = world.step()
    assert.deepEqual(words(commands), ['load wanted', 'run a'])
    return commands.map((each) => (each.type === 'run-batch' ? each.maxCount : 0))[1]
  }
  assert.equal(largest(0), 8)
  assert.equal(largest(10), 5) // of 200 ms each in the second of the load
})

test('while an interactive item waits for room, what must run before it may go runs first', () => {
  const models = [
    { id: 'large', vram: '5GB', batch: { perItemMs: 500, overheadMs: 0, max: 1 } },
    { id: 'small', vram: '2GB', batch: { perItemMs: 1200, overheadMs: 0, max: 1 } },
    { id: 'wanted', vram: '4GB', batch: short },
  ]
  const decision = (priority: number) => {
    const world = new World(models, [{ id: 'gpu', gb: 8 }])
    world.resident('large', 'small')
    for (const instance of world.state.devices[0]!.instances) instance.quotaCount = 9
    world.arrive('small', 9)
    world.nowMs += 100_000
    world.arrive('large', 9)
    world.arrive('wanted', 1, priority)
    return words(world.step())
  }
  assert.deepEqual(decision(0), ['run small'])
  assert.deepEqual(decision(10), ['run large'])
})
