// `make bench` (decide): what one decision costs, for a desk (5 models, 1 device) and for a hall (1,000
// models, 100 devices), with every model's queue full. Bars: mean under 2 µs; p99 under 2 ms.

import { decide } from '../src/core/decide/decide.ts'
import { assert } from '../src/core/errors.ts'
import { defineModel, type Model } from '../src/core/model.ts'
import { defaultPolicy } from '../src/core/policy.ts'
import { apply } from '../src/core/state/apply.ts'
import { brokenInvariants } from '../src/core/state/invariants.ts'
import { createState } from '../src/core/state/state.ts'
import { emptyHead } from '../src/core/work/queue-head.ts'
import { createRandom } from '../src/sim/random.ts'
import { plimsollPolicy, simulate } from '../src/sim/simulate.ts'
import type { WorkloadItem } from '../src/sim/workload.ts'

function modelsOf(count: number): Model[] {
  const random = createRandom(count)
  return Array.from({ length: count }, (_, index) =>
    defineModel({
      id: `m${String(index).padStart(4, '0')}`,
      vram: Math.round((1 + 4 * random()) * 1e9),
      loadMs: 4000 + Math.round(6000 * random()),
      batch: { perItemMs: 100 + Math.round(400 * random()) },
    }),
  )
}

/** A busy while of virtual time; every decision is timed. */
function measure(name: string, modelCount: number, deviceCount: number, itemCount: number): void {
  const random = createRandom(7)
  const models = modelsOf(modelCount)
  const gapMs = 250 / deviceCount
  const items: WorkloadItem[] = Array.from({ length: itemCount }, (_, index) => ({
    id: `${index}`,
    model: models[Math.floor(modelCount * random() ** 2)]!.id,
    atMs: Math.round(index * gapMs),
    after: [],
    job: `${index}`,
    priority: index % 3,
    deadlineMs: null,
    costMs: null,
    tenant: null,
  }))
  const devices = Array.from({ length: deviceCount }, (_, index) => ({
    id: `gpu${String(index).padStart(3, '0')}`,
    kind: 'simulated',
    capacityBytes: 16e9,
  }))
  const clockNs = () => Number(process.hrtime.bigint())
  const result = simulate({ workload: { models, items }, devices, simulated: plimsollPolicy, clockNs })
  const { mean, p99 } = result.decisionNs!
  console.log(
    `${name}: ${result.decisions} decisions, mean ${(mean / 1000).toFixed(2)} µs, p99 ${(p99 / 1000).toFixed(2)} µs`,
  )
}

/** The worst moment: nothing is loaded and every model has work. */
function measureFirst(modelCount: number, deviceCount: number): void {
  const devices = Array.from({ length: deviceCount }, (_, index) => ({
    id: `gpu${index}`,
    kind: 'simulated',
    capacityBytes: 16e9,
  }))
  const state = createState(modelsOf(modelCount), devices, defaultPolicy)
  const heads = state.models.map(({ model }) => ({
    ...emptyHead(model.id),
    readyCount: 20,
    levels: [{ priority: 0, tenant: null, count: 20, submittedMeanMs: 0, oldestReadyAtMs: 0 }],
  }))
  apply(state, { type: 'queue-changed', atMs: 0, heads })
  const times: number[] = []
  for (;;) {
    const startNs = process.hrtime.bigint()
    const { command } = decide(state, 1000)
    times.push(Number(process.hrtime.bigint() - startNs))
    if (!command) break
    apply(state, { type: 'command-issued', atMs: 1000, command })
  }
  times.sort((a, b) => a - b)
  const at = (share: number) => (times[Math.floor(share * (times.length - 1))]! / 1000).toFixed(0)
  console.log(`${modelCount} models × ${deviceCount} cold devices: p50 ${at(0.5)} µs, p99 ${at(0.99)} µs`)
}

/** What the daemon checks after each event, when every device is full and runs a batch. */
function measureInvariants(modelCount: number, deviceCount: number): void {
  const devices = Array.from({ length: deviceCount }, (_, index) => ({
    id: `gpu${index}`,
    kind: 'simulated',
    capacityBytes: 16e9,
  }))
  const state = createState(modelsOf(modelCount), devices, defaultPolicy)
  const heads = state.models.map(({ model }) => ({ ...emptyHead(model.id), readyCount: 20 }))
  apply(state, { type: 'queue-changed', atMs: 0, heads })
  for (;;) {
    const { command } = decide(state, 1000)
    if (!command) break
    apply(state, { type: 'command-issued', atMs: 1000, command })
    if (command.type !== 'start-load') continue
    const none = { loadMs: null, residentBytes: null, maxBatch: null }
    apply(state, { type: 'load-finished', atMs: 1000, instanceId: command.instanceId, ...none })
  }
  const rounds = 2000
  const startNs = process.hrtime.bigint()
  for (let round = 0; round < rounds; round++)
    assert(brokenInvariants(state).length === 0, 'all invariants hold')
  const eachUs = Number(process.hrtime.bigint() - startNs) / rounds / 1000
  const { size } = state.instanceById
  console.log(
    `invariants of ${modelCount} models, ${size} instances, ${deviceCount} devices: ${eachUs.toFixed(1)} µs`,
  )
}

measure('5 models × 1 device', 5, 1, 100_000)
measure('1000 models × 100 devices', 1000, 100, 60_000)
measureFirst(1000, 100)
measureInvariants(5, 1)
measureInvariants(1000, 100)
