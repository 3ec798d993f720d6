// What the tests of NVIDIA's cards share: a folder of cards, the driver opened over the stand-in
// for NVML, and real processes in groups of their own. `cleanUp` ends what is left of all three.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cardDevice, type Driver } from '../../src/devices/card.ts'
import type { Device } from '../../src/devices/device.ts'
import { openNvidia } from '../../src/devices/nvidia.ts'
import type { NvmlOptions } from '../../src/devices/nvml.ts'
import { compile, StandIn } from './card.ts'

export const GB = 1e9
export const gpu = { uuid: 'GPU-0', name: 'NVIDIA GeForce RTX 4080', total: 16 * GB, reserved: 0.4 * GB }

export const folder = mkdtempSync(join(tmpdir(), 'plimsoll-nvidia-'))
const drivers: Driver[] = []
const processes = new Map<number, ChildProcess>()
let cardCount = 0

/** A GPU for each argument, with what differs from `gpu`. The next driver that is opened sees them. */
export function standIn(...gpus: Record<string, string | number>[]): StandIn {
  const card = new StandIn(join(folder, `card${++cardCount}`))
  for (const [index, values] of gpus.entries()) card.add(`gpu${index}`, { ...gpu, ...values })
  process.env.PLIMSOLL_STAND_IN = card.folder
  return card
}

/** Faults are looked at again at once. */
export async function open(options: NvmlOptions = {}, flags: string[] = [], proc?: string): Promise<Driver> {
  const library = compile('nvml.c', join(folder, ...flags, 'libnvidia-ml.so.1'), flags)
  const nvml = { library, askMs: 5000, retryMs: 0, ...options }
  const driver = await openNvidia({ nvml, smi: { command: 'no-smi' }, proc })
  assert.ok('cards' in driver, String(driver))
  drivers.push(driver)
  return driver
}

export function deviceOf(driver: Driver, index = 0): Device {
  return cardDevice(driver, driver.cards[index]!, { id: `gpu${index}`, capBytes: null, limitMs: 30_000 })
}

/** A process in a group of its own; its pid is the group. */
export function startProcess(): number {
  const child = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' })
  processes.set(child.pid!, child)
  return child.pid!
}

/** The leader of a group and a child in it. */
export async function startGroup(): Promise<{ group: number; child: number }> {
  const shell = spawn('sh', ['-c', 'sleep 600 & echo $!; wait'], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  processes.set(shell.pid!, shell)
  const [line] = await once(shell.stdout!, 'data')
  return { group: shell.pid!, child: Number(String(line)) }
}

export async function endGroup(group: number): Promise<void> {
  const ended = once(processes.get(group)!, 'exit')
  processes.delete(group)
  process.kill(-group, 'SIGKILL')
  await ended
}

export async function endProcesses(): Promise<void> {
  await Promise.all([...processes.keys()].map(endGroup))
}

export async function cleanUp(): Promise<void> {
  await endProcesses()
  await Promise.all(drivers.map((driver) => driver.close()))
  rmSync(folder, { recursive: true, force: true })
}
