import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SchedulerEvent } from '../core/state/events.ts'
import { type EventReading, EventStream } from './subscribe.ts'

const at = (atMs: number): SchedulerEvent => ({ type: 'timer-fired', atMs })

/** Numbers and moments of what was read, after what was lost. */
function words(reading: EventReading | null): string {
  if (!reading) return 'over'
  const { lostCount, events } = reading
  return [`lost ${lostCount}`, ...events.map(({ sequence, event }) => `${sequence}:${event.atMs}`)].join(' ')
}

function stream(count: number, options = {}): EventStream {
  const made = new EventStream(options)
  for (let index = 1; index <= count; index++) made.publish(at(index * 10))
  return made
}

test('a reader gets what comes, in order, as much as there is at once', async () => {
  const events = stream(2)
  const reader = events.subscribe()
  const reading = reader.read()
  events.publish(at(30))
  events.publish(at(40))
  assert.equal(words(await reading), 'lost 0 3:30 4:40')
  events.publish(at(50))
  assert.equal(words(await reader.read()), 'lost 0 5:50')
})

test('a reader that was cut off goes on after the last number that it saw', async () => {
  const events = stream(5)
  assert.equal(words(await events.subscribe(3).read()), 'lost 0 4:40 5:50')
  assert.equal(words(await events.subscribe(0).read()), 'lost 0 1:10 2:20 3:30 4:40 5:50')
})

test('a slow reader is told how many it lost, and goes on; the others lose nothing', async () => {
  const events = new EventStream({ keptCount: 3 })
  const [slow, quick] = [events.subscribe(), events.subscribe()]
  const read: number[] = []
  for (let index = 1; index <= 10; index++) {
    events.publish(at(index * 10))
    read.push((await quick.read())!.events[0]!.sequence)
  }
  assert.deepEqual(read, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  assert.equal(words(await slow.read()), 'lost 7 8:80 9:90 10:100')
  events.publish(at(110))
  assert.equal(words(await slow.read()), 'lost 0 11:110')
})

test('a reader from before a restart is told that it lost some, and nobody knows how many', async () => {
  const events = stream(2, { firstSequence: 1000 })
  assert.equal(events.lastSequence, 1001)
  assert.equal(words(await events.subscribe(17).read()), 'lost null 1000:10 1001:20')
})

test('listeners hear every event at once, in order, until they end it', () => {
  const events = new EventStream({ keptCount: 1 })
  const heard: number[] = []
  const end = events.listen(({ sequence }) => heard.push(sequence))
  for (const each of [1, 2, 3]) events.publish(at(each))
  end()
  events.publish(at(4))
  assert.deepEqual(heard, [1, 2, 3])
})

test('who waits when the stream or the subscription ends is told that it is over', async () => {
  const events = stream(1)
  const [first, second] = [events.subscribe(), events.subscribe(0)]
  const waiting = first.read()
  first.close()
  assert.equal(await waiting, null)
  events.close()
  assert.equal(words(await second.read()), 'lost 0 1:10', 'what is kept can still be read')
  assert.equal(await second.read(), null)
  assert.equal(await events.subscribe().read(), null)
})

test('a loop over a subscription ends it when it is left', async () => {
  const events = stream(3)
  const seen: string[] = []
  const reader = events.subscribe(0)
  for await (const reading of reader) {
    seen.push(words(reading))
    if (seen.length === 2) break
    events.publish(at(40))
  }
  assert.deepEqual(seen, ['lost 0 1:10 2:20 3:30', 'lost 0 4:40'])
  assert.equal(await reader.read(), null)
})
