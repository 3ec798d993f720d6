// The machine of a round: a small one. On the real one a foreign process would have to eat all but some hundred megabytes
// before a scheduler with a line of some hundred megabytes has less. Therefore the scheduler gets a /proc/meminfo of its own, as a
// container does (lxcfs), mounted over the real one in a namespace of its own; observer.ts writes it. That needs no rights
// where users may have namespaces; where they may not, rounds have no foreign use, and say so.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join, resolve } from 'node:path'
import { variables } from './sight.ts'

const bin = resolve(import.meta.dirname, '../../bin/plimsoll')

/** What the machine has beyond the device's capacity: room for the scheduler itself. */
const roomBytes = 256e6

const mount = 'mount --bind "$0" /proc/meminfo && exec "$@"'
const namespace = ['unshare', '--map-root-user', '--mount', 'sh', '-c', mount]

let isPossible: boolean | null = null

export function hasSmallMachine(): boolean {
  isPossible ??= spawnSync(namespace[0]!, [...namespace.slice(1), '/dev/null', 'true']).status === 0
  return isPossible
}

export function environmentOf(round: string, role: string | null): NodeJS.ProcessEnv {
  return { ...process.env, [variables.round]: round, ...(role === null ? {} : { [variables.role]: role }) }
}

/** Resolves when the first look is done. */
export async function startObserver(
  round: string,
  folder: string,
  capacityBytes: number,
): Promise<ChildProcess> {
  const file = join(import.meta.dirname, 'observer.ts')
  const figures = [String(capacityBytes), String(capacityBytes + roomBytes)]
  const observer = spawn(process.execPath, [file, round, folder, ...figures], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await once(observer.stdout!, 'data')
  return observer
}

/** The command line on the small machine. Its pid is that of the scheduler. */
export function startPlimsoll(round: string, folder: string, args: readonly string[]): ChildProcess {
  const prefix = hasSmallMachine() ? [...namespace, join(folder, 'meminfo')] : []
  const [command, ...rest] = [...prefix, bin, ...args]
  return spawn(command!, rest, {
    cwd: folder,
    env: environmentOf(round, null),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
}

/** A process that has nothing to do with the run, takes memory step by step, and goes. */
export function startEater(round: string, bytes: number, holdMs: number): ChildProcess {
  const script = `
    const held = []
    const eat = () => {
      held.push(Buffer.alloc(20e6, 1))
      if (held.length * 20e6 < ${bytes}) setTimeout(eat, 20)
      else setTimeout(() => process.exit(0), ${holdMs})
    }
    eat()`
  return spawn(process.execPath, ['-e', script], { env: environmentOf(round, 'eater'), stdio: 'ignore' })
}
