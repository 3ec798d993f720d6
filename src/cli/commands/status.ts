// `plimsoll status`: how far a run is, also while it runs.
import type { Command } from 'commander'
import type { Answer, DeviceFigures } from '../../api/schemas/status.ts'
import { status } from '../../api/status.ts'
import { formatBytes, formatMs } from '../../core/units.ts'
import { hasEnded, itemStates } from '../../core/work/item.ts'
import { countsByStep } from '../../forecast/plan-workload.ts'
import { ask } from '../ask.ts'
import { aboutDatabase, type DatabaseFlags } from '../options.ts'
import { print, printJson, printTable } from '../output.ts'

export function statusCommand(command: Command): void {
  aboutDatabase(command).action(async ({ db, json }: DatabaseFlags) => {
    const answer = await ask(status, {}, { db })
    if (json) return printJson(answer)
    printSteps(answer)
    if (answer.devices.length > 0) printDevices(answer.devices)
    for (const note of answer.notes) print(note)
    print(restSentence(answer))
  })
}

function restSentence({ isRunning, etaMs, groups }: Answer): string {
  const isOver = groups.every(({ state }) => hasEnded(state))
  const about = etaMs === null ? null : `about ${formatMs(etaMs)}`
  if (isRunning)
    return about ? `${about} left` : isOver ? 'nothing is left' : 'how long the rest takes is not known'
  if (isOver) return 'not running; nothing is left'
  return `not running; ${about ? `${about} of work are left` : 'items are left'}, \`plimsoll run PIPELINE\` continues`
}

function printSteps({ database, groups }: Answer): void {
  const states = itemStates.filter((state) => groups.some((group) => group.state === state))
  const rows = [...countsByStep({ groups })].map(([step, counts]) => [
    step,
    ...states.map((state) => String(counts.get(state) ?? '')),
  ])
  printTable({ title: database, columns: ['step', ...states], rows })
}

function printDevices(devices: readonly DeviceFigures[]): void {
  const rows = devices.map((each) => [
    each.id,
    formatBytes(each.budgetBytes),
    formatBytes(each.bookedBytes),
    formatBytes(each.deficitBytes),
    formatBytes(each.quarantinedBytes),
    formatBytes(each.foreignBytes),
    each.instances.map(({ modelId, bytes }) => `${modelId} ${formatBytes(bytes)}`).join(', '),
  ])
  printTable({
    title: 'Devices',
    columns: ['device', 'budget', 'booked', 'deficit', 'quarantined', 'foreign', 'holds'],
    rows,
  })
}
