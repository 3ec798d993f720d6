// The host that a running daemon is: it answers from its memory, and changes at its own time.
import { profilesOf } from '../core/state/profile.ts'
import type { Run } from '../daemon/run.ts'
import { Countdown } from '../forecast/countdown.ts'
import { forecastRest } from '../forecast/rest.ts'
import { Measuring } from '../record/measured.ts'
import { type OwnerHost, shapesFor } from './host.ts'

export function runningHost(run: Run): OwnerHost {
  const { files, pipeline, store, daemon, clock, jobs, events } = run
  const { state } = daemon
  const nowMs = () => clock.nowMs()
  const measuring = new Measuring()
  events.listen(({ event }) => measuring.add(event))
  const countdown = new Countdown(nowMs, async () =>
    forecastRest(store, state, shapesFor(pipeline, await store.stats()), nowMs()),
  )
  return {
    files,
    pipeline,
    store,
    jobs,
    lastRun: async () => ({ state, isRunning: true, nowMs: nowMs(), pid: process.pid }),
    profiles: async () => profilesOf(state),
    measured: async () => measuring.models,
    restMs: () => countdown.restMs(),
  }
}
