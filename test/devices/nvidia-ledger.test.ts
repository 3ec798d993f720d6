// The ledger of a real daemon on a card that is not there: real workers, the real
// driver code over the stand-in for NVML. A worker "allocates" by writing what it holds
// into the folder of the card; another program is one more line there.
import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { renderTable } from '../../src/cli/table.ts'
import { defineModel } from '../../src/core/model.ts'
import { defaultPolicy } from '../../src/core/policy.ts'
import { bookedBytes, headroomBytes } from '../../src/core/state/ledger.ts'
import { newItem } from '../../src/core/work/item.ts'
import { machineClock, startClock } from '../../src/daemon/clock.ts'
import { Daemon } from '../../src/daemon/daemon.ts'
import { isRunOver } from '../../src/daemon/run.ts'
import { createRunner } from '../../src/runners/create.ts'
import { StartedProcesses } from '../../src/runners/started.ts'
import { openMemoryStore } from '../../src/stores/memory.ts'
import { allItems } from '../../src/stores/store.ts'
import { skipWithoutCompiler } from '../stand-ins/card.ts'
import { cleanUp, deviceOf, folder, GB, open, standIn, startProcess } from '../stand-ins/nvidia.ts'

after(cleanUp)

/** Holds what its options say, and after a batch what the last input says; an input may
 * also name a file to wait for. */
const worker = `
import { existsSync, mkdirSync, renameSync, watch, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
const card = process.env.PLIMSOLL_STAND_IN + '/gpu0/compute'
function hold(gigabytes) {
  mkdirSync(card, { recursive: true })
  writeFileSync(card + '/' + process.pid + '.tmp', gigabytes * 1e9 + '\\n')
  renameSync(card + '/' + process.pid + '.tmp', card + '/' + process.pid)
}
function appears(path) {
  return new Promise((resolve) => {
    const look = () => existsSync(path) && resolve()
    watch(dirname(path), look)
    look()
  })
}
export async function load({ gigabytes }) {
  if (gigabytes) hold(gigabytes)
}
export async function run(inputs) {
  for (const { holds, until } of inputs) {
    if (holds) hold(holds)
    if (until) await appears(until)
  }
  return inputs
}`

const clock = startClock(machineClock)

function create() {
  const card = standIn({ reserved: 0 })
  const file = join(folder, 'worker.mjs')
  writeFileSync(file, worker)
  const context = { started: new StartedProcesses(join(folder, 'runners.jsonl')), logFolder: folder }
  const environment = { PLIMSOLL_STAND_IN: card.folder }
  const spec = { kind: 'module' as const, file, environment, cwd: folder, timeouts: {} }
  const sizes = { a: 4, b: 3, c: 8, open: 0 }
  const models = Object.entries(sizes).map(([id, size]) =>
    defineModel({ id, vram: `${size}GB`, loadMs: 100 }),
  )
  const runners = new Map(
    Object.entries(sizes).map(([modelId, gigabytes]) => [
      modelId,
      createRunner({ ...spec, modelId, options: { gigabytes } }, context),
    ]),
  )
  return { card, models, runners }
}

test('the ledger follows the card: growth, foreign use, memory that lingers, a card that is lost and comes back', {
  skip: skipWithoutCompiler,
}, async (t) => {
  const { card, models, runners } = create()
  const store = openMemoryStore()
  const daemon: Daemon = new Daemon({
    store,
    models,
    runners,
    devices: [
      {
        options: { id: 'gpu0', kind: 'nvidia', capacityBytes: 16 * GB, safetyRatio: 0.9 },
        device: deviceOf(await open()),
      },
    ],
    policy: { ...defaultPolicy, releaseTimeout: 1000 },
    clock,
    random: () => 0,
    onEvent: () => setImmediate(() => look()), // when it has been applied
  })
  let look: () => void = () => {}
  const rows: (string | number)[][] = []
  let itemCount = 0

  async function submit(modelId: string, input: object): Promise<string> {
    const id = `i${itemCount++}`
    await store.submit([newItem({ id, modelId, input })], clock.nowMs())
    daemon.queuesChanged()
    return id
  }

  const gpu = () => daemon.state.deviceById.get('gpu0')!
  const round = (bytes: number) => Math.round(bytes / 1e7) / 100

  /** What the books say of the device. */
  function books() {
    const { ledger, budgetBytes, foreignBytes, deficitBytes } = gpu()
    const { reservedBytes, residentBytes, activeBytes, releasingBytes, quarantinedBytes } = ledger
    const figures = {
      reserved: reservedBytes,
      resident: residentBytes,
      active: activeBytes,
      releasing: releasingBytes,
      quarantined: quarantinedBytes,
      deficit: deficitBytes,
      foreign: foreignBytes,
      budget: budgetBytes,
      headroom: headroomBytes(gpu()),
    }
    return Object.fromEntries(Object.entries(figures).map(([name, bytes]) => [name, round(bytes)]))
  }

  /** Models of the loaded instances that run a batch, or that do not. */
  const loaded = (isRunning: boolean) =>
    gpu()
      .instances.filter(({ phase, runningCount }) => phase === 'ready' && runningCount > 0 === isRunning)
      .map(({ model }) => model.model.id)
      .join(' ')

  /** Waits until all is as expected; at the end of its patience it fails with what is there. */
  async function step(what: string, expected: Record<string, number | string>): Promise<void> {
    const seen = () => ({ idle: loaded(false), runs: loaded(true), ...books() })
    const isThere = () => {
      const now: Record<string, number | string> = seen()
      return Object.entries(expected).every(([name, value]) => now[name] === value)
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const error = () => new assert.AssertionError({ actual: seen(), expected, message: what })
    const patience = setTimeout(() => reject(error()), 20_000)
    look = () => isThere() && resolve()
    look()
    await promise.finally(() => clearTimeout(patience))
    rows.push([what, ...Object.values(seen()), gpu().fault ?? ''])
  }

  t.after(() => daemon.close())

  const holdOpen = join(folder, 'end')
  await submit('open', { until: holdOpen }) // so that the daemon has work to the end
  daemon.start()
  await step('nothing of ours yet', { resident: 0, budget: 14.4, headroom: 14.4 })
  await submit('a', {})
  await step('A is loaded: as declared', { idle: 'a', resident: 4, deficit: 0, headroom: 10.4 })
  await submit('a', { holds: 5 })
  await step('A has grown in a batch', { idle: 'a', resident: 5, deficit: 0, headroom: 9.4 })
  await submit('b', { holds: 3 })
  await step('B is loaded beside it', { idle: 'a b', resident: 8, headroom: 6.4 })
  const foreign = startProcess()
  card.set({ [`gpu0/compute/${foreign}`]: 3 * GB })
  await step('another program takes 3 GB', { idle: 'a b', foreign: 3, budget: 11.4, headroom: 3.4 })
  const aEnds = join(folder, 'a-ends')
  await submit('a', { until: aEnds })
  await step('A runs', { idle: 'b', runs: 'a', resident: 8 })
  card.set({ 'gpu0/linger': 1, [`gpu0/compute/${foreign}`]: 8 * GB })
  await step('5 GB more: idle B goes, its memory lingers', {
    resident: 5,
    releasing: 3,
    foreign: 8,
    budget: 6.4,
  })
  await step('for too long', { resident: 5, quarantined: 3, headroom: -1.6 })
  card.remove('gpu0/linger')
  await step('the memory is back', { resident: 5, quarantined: 0, headroom: 1.4 })
  const [pid] = readdirSync(join(card.folder, 'gpu0/compute')).filter((each) => each !== String(foreign))
  card.set({ [`gpu0/compute/${pid}`]: 7 * GB })
  await step('A takes more than there is', { resident: 6.4, deficit: 0.6, headroom: -0.6 })
  card.set({ [`gpu0/compute/${pid}`]: 5 * GB })
  await step('and gives it back', { resident: 6.4, deficit: 0, headroom: 0 })
  writeFileSync(aEnds, '')
  await step('A has finished: 2 % more than it held is booked', { idle: 'a', resident: 5.1 })
  card.remove(`gpu0/compute/${foreign}`)
  await step('the other program has ended', { idle: 'a', foreign: 0, budget: 14.4, headroom: 9.3 })
  const running = join(folder, 'running')
  await submit('b', { until: running })
  await step('B is back: booked is 2 % more than it held', { idle: 'a', runs: 'b', resident: 8.16 })
  card.set({ 'gpu0/lost': 1 })
  await step('the card is lost: only what runs stays', { resident: 3.06 })
  assert.match(gpu().fault!, /lost/)
  writeFileSync(running, '')
  await step('B has finished, and goes', { resident: 0, idle: '' })
  await submit('c', { until: holdOpen })
  card.remove('gpu0/lost')
  await step('the card is back, and C runs', { runs: 'c', foreign: 0 })
  writeFileSync(holdOpen, '')
  await daemon.whenAtRest(isRunOver)
  assert.deepEqual(await daemon.close(), [])
  assert.equal(bookedBytes(gpu().ledger), 0)
  for (const { id, state, attempt } of await allItems(store))
    assert.deepEqual([state, attempt], ['done', 1], id)
  const columns = ['GB', 'idle', 'runs', ...Object.keys(books()), 'fault']
  console.log(
    renderTable(
      { title: 'Budget: 0.9 × 16 GB − foreign use', columns, rows: rows.map((row) => row.map(String)) },
      { width: 200 },
    ),
  )
})
