// The machine of a round: a small one. On the real one a foreign process would have to eat all but
// some hundred megabytes before a scheduler with a line of some hundred megabytes has less.
// Therefore the scheduler gets a /proc/meminfo of its own, as a container does (lxcfs), mounted over
// the real one in a namespace; observer.ts writes it. All starts of a round share the namespace: in
// one of its own a scheduler could not look at what the last one left. It needs no rights where
// users may have namespaces; where they may not, rounds have no foreign use, and say so.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join, resolve } from 'node:path'
import { variables } from './sight.ts'

const bin = resolve(import.meta.dirname, '../../bin/plimsoll')

/** What the machine has beyond the device's capacity: room for the scheduler itself,
 * and its start beside a stopped one. */
const roomBytes = 256e6

const namespace = ['--map-root-user', '--mount', 'sh', '-c']
let isPossible: boolean | null = null

export function hasSmallMachine(): boolean {
  const script = 'mount --bind /dev/null /proc/meminfo'
  isPossible ??= spawnSync('unshare', [...namespace, script]).status === 0
  return isPossible
}

export class Machine {
  readonly #round: string
  readonly #folder: string
  readonly #observer: ChildProcess
  /** Holds the namespace; null: the real machine. */
  readonly #holder: ChildProcess | null

  private constructor(round: string, folder: string, observer: ChildProcess, holder: ChildProcess | null) {
    this.#round = round
    this.#folder = folder
    this.#observer = observer
    this.#holder = holder
  }

  /** Resolves when it has been looked at once. */
  static async start(round: string, folder: string, capacityBytes: number): Promise<Machine> {
    const file = join(import.meta.dirname, 'observer.ts')
    const figures = [String(capacityBytes), String(capacityBytes + roomBytes)]
    const observer = spawn(process.execPath, [file, round, folder, ...figures], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    await once(observer.stdout, 'data')
    if (!hasSmallMachine()) return new Machine(round, folder, observer, null)
    const script = 'mount --bind "$0" /proc/meminfo && echo mounted && exec cat'
    const holder = spawn('unshare', [...namespace, script, join(folder, 'meminfo')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    await once(holder.stdout, 'data')
    return new Machine(round, folder, observer, holder)
  }

  /** The command line on it. The pid is that of the scheduler. */
  plimsoll(args: readonly string[]): ChildProcess {
    const enter = ['nsenter', '--user', '--mount', '--preserve-credentials', `--wd=${this.#folder}`]
    const prefix = this.#holder ? [...enter, '--target', String(this.#holder.pid)] : []
    const [command, ...rest] = [...prefix, bin, ...args]
    return spawn(command!, rest, {
      cwd: this.#folder,
      env: { ...process.env, [variables.round]: this.#round },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
  }

  /** A process that has nothing to do with the run, takes memory step by step, and goes. */
  eater(bytes: number, holdMs: number): ChildProcess {
    const script = `
      const held = []
      const eat = () => {
        held.push(Buffer.alloc(20e6, 1))
        if (held.length * 20e6 < ${bytes}) setTimeout(eat, 20)
        else setTimeout(() => process.exit(0), ${holdMs})
      }
      eat()`
    const env = { ...process.env, [variables.round]: this.#round, [variables.role]: 'eater' }
    return spawn(process.execPath, ['-e', script], { env, stdio: 'ignore' })
  }

  async end(): Promise<void> {
    for (const child of [this.#holder, this.#observer]) {
      if (!child) continue
      const exited = once(child, 'exit')
      child.stdin!.end()
      await exited
    }
  }
}
