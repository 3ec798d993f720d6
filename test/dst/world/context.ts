// What all parts of a simulated run share: time, chance, faults, the log and the one verdict. The log is
// what two runs of a seed are compared by: every event, command, store call and fault is a line of it.
import { createHash } from 'node:crypto'
import { Agenda } from './agenda.ts'
import { Chance } from './chance.ts'
import { Faults } from './faults.ts'
import { createWorld, type Settings, type World } from './world.ts'

export class Context {
  readonly seed: number
  readonly settings: Settings
  readonly agenda = new Agenda()
  readonly faults: Faults
  readonly world: World
  /** The first thing that was not as it must be. */
  violation: string | null = null
  /** Until then something is held up by a fault: promises about waits are not measured. */
  disturbedUntilMs = 0
  lineCount = 0
  readonly #hash = createHash('sha1')
  readonly #print: ((line: string) => void) | null

  constructor(seed: number, settings: Settings, print: ((line: string) => void) | null) {
    this.seed = seed
    this.settings = settings
    this.#print = print
    this.faults = new Faults(settings.faults, this.chance('faults'))
    this.world = createWorld(seed, settings, this.faults)
  }

  chance(name: string): Chance {
    return new Chance(this.seed, name)
  }

  log(what: string, data: unknown = ''): void {
    this.lineCount++
    const line = `${this.agenda.nowMs} ${what} ${typeof data === 'string' ? data : JSON.stringify(data)}`
    this.#hash.update(line)
    this.#print?.(line)
  }

  /** Only the first counts: what follows is often its consequence. */
  fail(sentence: string): void {
    if (this.violation !== null) return
    this.violation = sentence
    this.log('VIOLATION', sentence)
  }

  check(holds: boolean, sentence: () => string): void {
    if (!holds) this.fail(sentence())
  }

  disturb(ms: number): void {
    this.disturbedUntilMs = Math.max(this.disturbedUntilMs, this.agenda.nowMs + ms)
  }

  digest(): string {
    return this.#hash.digest('hex')
  }
}
