import assert from 'node:assert/strict'
import { test } from 'node:test'
import { archiveSample, type Sample, type SampleOptions, sampleRecord } from '../../test/support/record.ts'
import { readHistory } from './history.ts'
import type { JournalLine } from './journal.ts'
import { summarizeRun } from './summary.ts'

/** Booked bytes by device after each line, as the history has them: the bookings of the lines so far. */
function bookedAfter(lines: readonly JournalLine[], lineCount: number): Map<string, number> {
  const { devices } = readHistory(lines.slice(0, lineCount))
  // The end of a record ends what is open; those bookings are not of the line itself.
  return new Map(
    devices.map(({ id, bookings }) => [id, bookings.reduce((sum, { deltaBytes }) => sum + deltaBytes, 0)]),
  )
}

const scenarios: [string, SampleOptions][] = [
  ['the demo', archiveSample],
  ['failing loads', { ...archiveSample, failRatio: 0.3, seed: 4 }],
  [
    'two devices',
    {
      ...archiveSample,
      seed: 7,
      devices: [
        { id: 'gpu0', kind: 'static', capacityBytes: 1.2e9 },
        { id: 'gpu1', kind: 'static', capacityBytes: 0.9e9 },
      ],
    },
  ],
]

for (const [name, options] of scenarios) {
  test(`books as the core does after every event: ${name}`, () => {
    const sample = sampleRecord(options)
    const { devices } = readHistory(sample.lines)
    for (const device of devices) {
      const expected = sample.booked.map((byDevice) => byDevice.get(device.id) ?? 0)
      const changes = expected
        .map((bytes, n) => bytes - (expected[n - 1] ?? 0))
        .filter((delta) => delta !== 0)
      const deltas = device.bookings.map(({ deltaBytes }) => deltaBytes).slice(0, changes.length)
      assert.deepEqual(deltas, changes, device.id)
      assert.equal(device.peakBookedBytes, Math.max(...expected))
      assert.ok(device.peakBookedBytes <= device.budgetBytes)
    }
    const together = sample.booked.map((byDevice) =>
      [...byDevice.values()].reduce((sum, each) => sum + each, 0),
    )
    assert.equal(summarizeRun(sample.lines).peakBookedBytes, Math.max(...together))
  })
}

test('what is open at the end of a record ends there, and nothing stays booked', () => {
  const { lines } = sampleRecord({ ...archiveSample, killedMs: 5000 })
  assert.deepEqual(
    [...bookedAfter(lines, lines.length).values()].filter((bytes) => bytes !== 0),
    [],
  )
  const { devices, wallMs } = readHistory(lines)
  const residencies = devices.flatMap(({ models }) => models.flatMap((each) => each.residencies))
  assert.ok(residencies.some(({ stopMs, endMs }) => stopMs === null && endMs === wallMs))
})

test('the summary counts what the record says', () => {
  const sample = sampleRecord(archiveSample)
  const summary = summarizeRun(sample.lines)
  const counted = count(sample)
  assert.equal(
    summary.items,
    archiveSample.work.reduce((sum, { count: items }) => sum + items, 0),
  )
  assert.equal(summary.batches, counted.batches)
  assert.equal(summary.loads, counted.loads)
  assert.equal(summary.evictions, counted.evictions)
  assert.ok(summary.evictions > 0)
  assert.equal(summary.budgetBytes, 1.08e9)
  assert.equal(
    summary.computeMs,
    summary.devices.reduce((sum, { computeMs }) => sum + computeMs, 0),
  )
  assert.equal(summary.wallMs, sample.lines.at(-1)!.atMs - sample.lines[0]!.atMs)
  assert.ok(summary.peakMeasuredBytes > 0)
  assert.equal(
    summary.devices.find(({ id }) => id === 'cpu')!.loads,
    0,
    'the start of a CPU worker is no load',
  )
})

function count({ lines }: Sample): { batches: number; loads: number; evictions: number } {
  const sizes = new Map(archiveSample.models.map(({ id, vram }) => [id, vram]))
  const loaded = new Set(lines.flatMap((each) => (each.type === 'load-finished' ? [each.instanceId] : [])))
  const commands = lines.flatMap((each) => (each.type === 'command-issued' ? [each.command] : []))
  return {
    batches: lines.filter(({ type }) => type === 'batch-finished').length,
    loads: commands.filter(
      (each) => each.type === 'start-load' && sizes.get(each.modelId) !== 0 && loaded.has(each.instanceId),
    ).length,
    evictions: commands.filter((each) => each.type === 'stop-instance' && each.makeRoomFor !== null).length,
  }
}

test('a resumed run goes on where the killed one ended: the pause is a cut, not time', () => {
  const killed = sampleRecord({ ...archiveSample, killedMs: 5000 })
  const startAtMs = 1_750_000_600_000
  const resumed = sampleRecord({ ...archiveSample, startAtMs, seed: 3 })
  const history = readHistory([...killed.lines, ...resumed.lines])
  const [one, two] = [summarizeRun(killed.lines), summarizeRun(resumed.lines)]
  assert.equal(history.wallMs, one.wallMs + two.wallMs)
  assert.deepEqual(history.cuts, [{ atMs: one.wallMs, pauseMs: startAtMs - killed.lines.at(-1)!.atMs }])
  const both = summarizeRun([...killed.lines, ...resumed.lines])
  assert.equal(both.resumes, 1)
  assert.equal(both.items, one.items + two.items)
  assert.equal(both.peakBookedBytes, Math.max(one.peakBookedBytes, two.peakBookedBytes))
})

test('work that a kill cut off is drawn but not counted', () => {
  const { lines } = sampleRecord({ ...archiveSample, killedMs: 2500 })
  const batches = readHistory(lines).devices.flatMap(({ models }) => models.flatMap((each) => each.batches))
  const cutOff = batches.filter(({ runMs }) => runMs === null)
  assert.ok(cutOff.length > 0)
  assert.equal(summarizeRun(lines).batches, batches.length - cutOff.length)
})

test('the budget shrinks with foreign use', () => {
  const { lines } = sampleRecord({ ...archiveSample, killedMs: 1000 })
  const atMs = lines.at(-1)!.atMs
  const observed: JournalLine = {
    type: 'memory-observed',
    atMs,
    deviceId: 'ram',
    capacityBytes: 1.2e9,
    foreignBytes: 0.2e9,
    bytesByInstance: {},
  }
  const device = readHistory([...lines, observed]).devices[0]!
  assert.deepEqual(device.budgets, [
    { atMs: 0, bytes: 1.08e9 },
    { atMs: 1000, bytes: 0.88e9 },
  ])
})

test('a clock that was set back turns nothing around', () => {
  const { lines } = sampleRecord(archiveSample)
  const half = lines.length / 2
  const turned = lines.map((line, n) =>
    n > half && n < half + 20 ? { ...line, atMs: line.atMs - 60_000 } : line,
  )
  for (const { models } of readHistory(turned).devices) {
    for (const { residencies, batches } of models) {
      assert.ok([...residencies, ...batches].every(({ startMs, endMs }) => 0 <= startMs && startMs <= endMs))
    }
  }
})

test('lines about unknown things and an empty record change nothing', () => {
  const { lines } = sampleRecord(archiveSample)
  const strays: JournalLine[] = [
    { type: 'load-finished', atMs: 0, instanceId: 'nobody', loadMs: 1, residentBytes: null, maxBatch: null },
    { type: 'batch-finished', atMs: 0, batchId: 'nobody', failedCount: 0, runMs: 1, peakBytes: null },
    { type: 'memory-released', atMs: 0, instanceId: 'nobody' },
  ]
  assert.deepEqual(readHistory([...lines, ...strays]), readHistory(lines))
  assert.deepEqual(readHistory([...strays, ...lines]), readHistory(lines))
  assert.equal(summarizeRun([]).wallMs, 0)
})

test('a journal of another version is refused with what to do', () => {
  const [run] = sampleRecord({ ...archiveSample, killedMs: 0 }).lines
  const later = { ...run, version: 3 } as unknown as JournalLine
  assert.throws(() => readHistory([later]), {
    code: 'BAD_VALUE',
    message: /version 3.*reads versions 1 and 2/,
  })
})
