// The policy's options: one table with each option's meaning, unit, range, default and source. The same table
// checks what people write under `policy:` and feeds docs/configuration.md. The rules that use them are in
// decide.ts. "Lab" is the policy study of docs/policy.md: halving or doubling any one of its values changed
// the score by 1-2 %.
import { SchedulerError } from './errors.ts'
import { askForUnit, hasNoUnit, parseDuration, timeUnits } from './units.ts'

/**
 * What is known of an option of the policy: its kind, range, default and meaning.
 *
 * @public
 * @example
 * ```ts
 * const { default: ms, min, max }: PolicyOption = policyOptions.maxWait
 * ms // => 300_000
 * min <= ms && ms <= max // => true
 * ```
 */
export interface PolicyOption {
  /** duration: "300s" or ms; number: a plain number; count: a whole number; choice: one of `choices`, kept as
   * its place. */
  kind: 'duration' | 'number' | 'count' | 'choice'
  /** For the kind choice: what may be written. */
  choices?: readonly string[]
  /** What counts where nothing is said: ms for a duration, its place for a choice. */
  default: number
  /** The least number that is taken, in the same unit. */
  min: number
  /** The greatest number that is taken, in the same unit. */
  max: number
  /** Meaning, trap, source of the default: docs/configuration.md. */
  text: string
}

/** Places in the choices of `goal`. */
export const latency = 0
export const throughput = 2

const options = {
  goal: {
    kind: 'choice',
    choices: ['latency', 'balanced', 'throughput'],
    default: 1,
    min: 0,
    max: 2,
    text: 'What is made small. latency: the mean time of a job. throughput: the time until a large graph of items is done, and its loads; items may wait long. balanced: as latency, but a queue takes the place of another only if it deserves it `hysteresis` times more, not half of that (1.5 for 2). Study: on wf-nextflow throughput loads 361 models, balanced 513 (docs/policy.md).',
  },
  maxWait: {
    kind: 'duration',
    default: 300_000,
    min: 1000,
    max: 86_400_000,
    text: 'Longest wait of a ready item before it is overdue and goes before everything that is not interactive. In an overload it is stretched, see backlogFactor. Lab: 300 s; 120 s costs 3 % in the mean.',
  },
  backlogFactor: {
    kind: 'number',
    default: 1,
    min: 0,
    max: 100,
    text: 'In an overload an item is overdue only after this share of the time to clear all that waited at its worst, if that is longer than maxWait: a bound that cannot be kept makes loads compete. 0: maxWait always. Study: 1 takes 25 % off the mean time of 500 videos at once.',
  },
  interactiveFrom: {
    kind: 'count',
    default: 8,
    min: -100,
    max: 101,
    text: 'Priority from which an item is interactive: next, in a batch of its own, and its model is loaded at once. 101 turns it off. Lab: 8.',
  },
  interactiveWait: {
    kind: 'duration',
    default: 10_000,
    min: 0,
    max: 3_600_000,
    text: 'Longest time that a running batch should hold up an interactive item: while interactive items come (one in the last 10 min), other batches are kept shorter than this, unless each of their items then took a tenth longer. 0: off. 10 s is how long people keep their mind on what they wait for (Nielsen 1993). Study: of 1,521 interactive items among bursts on 16 GB 2 wait longer than 10 s instead of 22, both for a first load; everything else is 2 % slower.',
  },
  priorityBase: {
    kind: 'number',
    default: 2,
    min: 1,
    max: 4,
    text: 'Weight of one priority level more when models compete; within a model priority is strict. It saturates at 10 levels. Study: 2 instead of 1.5 takes 2 to 5 % off the mean time of bursts of mixed priority, since jobs come in about the same order at all of their models; the lowest level waits longer, within the wait bound.',
  },
  ageBonus: {
    kind: 'duration',
    default: 1000,
    min: 1,
    max: 600_000,
    text: 'Age that every item starts with, so that a new item counts. Lab: 1 s.',
  },
  fairnessHorizon: {
    kind: 'duration',
    default: 30_000,
    min: 1000,
    max: 86_400_000,
    text: 'For each such time that a tenant has had more of a device than the least served one, its items weigh half as much across models. Within a queue the least served tenant comes first. Study: beside a flood of 600 items on the only place, a steady tenant has 32 of its 60 items done after 200 s with 60 s, all with 30 s.',
  },
  loadWeight: {
    kind: 'number',
    default: 2.5,
    min: 0,
    max: 100,
    text: 'How much a millisecond of loading weighs against one of computing when the next load is chosen. Lab: 2. Study: 2.5 is 0.5 % better in the mean, 3 the same again.',
  },
  costExponent: {
    kind: 'number',
    default: 0.5,
    min: 0,
    max: 1,
    text: 'How much the size of a queue counts against it: 0 the largest bill first, 1 the largest bill per millisecond of work. Lab: 0.5.',
  },
  hysteresis: {
    kind: 'number',
    default: 2,
    min: 1,
    max: 100,
    text: 'How many times more a queue must deserve the device than a resident one that still has work, once that one has had its visit. Lab: 2; higher loads less and waits longer.',
  },
  visitFactor: {
    kind: 'number',
    default: 4,
    min: 0,
    max: 1000,
    text: 'A visit ends after this many times (load time + visitBase) of compute, or after the items found at its start. Lab: 4.',
  },
  visitBase: {
    kind: 'duration',
    default: 3000,
    min: 0,
    max: 600_000,
    text: 'Added to the load time in visitFactor, so that a model that loads at once has a visit too. Lab: 3 s.',
  },
  finishFactor: {
    kind: 'number',
    default: 4,
    min: 0,
    max: 1000,
    text: 'A visit goes on while the rest of the items found at its start needs less than this many load times, since the model would be loaded again for them. Study: without it arena27 loads 30 times instead of 27; 2 to 6 make no difference elsewhere.',
  },
  restWeight: {
    kind: 'number',
    default: 1,
    min: 0,
    max: 100,
    text: 'How much the compute that is left of its job counts against a batch while nothing has to be loaded: jobs that are nearly done end first. Study: 1 takes 4 % off where all models fit.',
  },
  guard: {
    kind: 'number',
    default: 1,
    min: 0,
    max: 100,
    text: 'An interactive item cuts a visit short only after this many load times of its compute. Lab: 1.',
  },
  burst: {
    kind: 'count',
    default: 4,
    min: 1,
    max: 1000,
    text: 'Interactive batches in a row on a device before an overdue item is let in. Lab: 4.',
  },
  prefetchGain: {
    kind: 'number',
    default: 2,
    min: 1,
    max: 1000,
    text: 'A model that will be needed is loaded ahead over an idle one only if it is worth this many times more. Lab: 2.',
  },
  copyFactor: {
    kind: 'number',
    default: 1,
    min: 0,
    max: 1000,
    text: 'An idle device copies a model when each copy would still have this many load times of work. Lab: 1, counted without the new copy, which is 15 % worse on four devices.',
  },
  copyFreeFactor: {
    kind: 'number',
    default: 0.2,
    min: 0,
    max: 1000,
    text: 'As copyFactor, where the copy needs no eviction. Lab: 0.2.',
  },
  releaseTimeout: {
    kind: 'duration',
    default: 5000,
    min: 100,
    max: 600_000,
    text: 'How long the memory of a stopped instance may take to come back before it is quarantined. Chosen, not measured.',
  },
  staleAfter: {
    kind: 'duration',
    default: 5000,
    min: 500,
    max: 600_000,
    text: 'No memory of a device is promised whose last reading is older, neither to a load nor to a batch: another process may have taken what it showed. Devices are read twice a second. Chosen, not measured.',
  },
  loadCooldown: {
    kind: 'duration',
    default: 10_000,
    min: 0,
    max: 600_000,
    text: 'Pause after a failed load, doubled with each further one up to five minutes. From LocalAI and GPUStack: 10 s.',
  },
  maxLoadFailures: {
    kind: 'count',
    default: 3,
    min: 1,
    max: 1000,
    text: 'Failed loads in a row after which the items that wait for the model fail with the reason. Chosen, not measured.',
  },
} as const satisfies Record<string, PolicyOption>

/**
 * The name of an option of the policy. docs/configuration.md has all of them.
 *
 * @public
 * @example
 * ```ts
 * const key: PolicyKey = 'maxWait'
 * policyOptions[key].kind // => 'duration'
 * ```
 */
export type PolicyKey = keyof typeof options

/**
 * Every option of the policy. docs/configuration.md shows the same table under `policy`.
 *
 * @public
 * @example
 * ```ts
 * policyOptions.priorityBase.default // => 2
 * policyOptions.maxWait.text.startsWith('Longest wait of a ready item') // => true
 * ```
 */
export const policyOptions: Readonly<Record<PolicyKey, PolicyOption>> = options
/**
 * A value for every option: durations in ms, a choice as its place among its choices. With the weights of
 * tenants.
 *
 * @public
 * @example
 * ```ts
 * const policy: Policy = parsePolicy({ maxWait: '2m' })
 * policy.maxWait // => 120_000
 * ```
 */
export type Policy = { [Name in PolicyKey]: number } & {
  /** Weights of tenants; one that is not named has 1. Twice the weight, twice the device time. */
  tenants: Readonly<Record<string, number>>
}

/**
 * Some of the options, as people write them: durations as text or in ms, choices by name. What is left out
 * has its default.
 *
 * @public
 * @example
 * ```ts
 * const options: PolicyOptions = { goal: 'throughput', maxWait: '2m', tenants: { alice: 2 } }
 * new GpuScheduler({ policy: options })
 * ```
 */
export type PolicyOptions = { readonly [Name in PolicyKey]?: number | string } & {
  /** Weights of tenants, above 0; one that is not named has 1. */
  readonly tenants?: Readonly<Record<string, number>>
}

/**
 * The policy where nothing is said.
 *
 * @public
 * @example
 * ```ts
 * defaultPolicy.maxWait // => 300_000
 * ```
 */
export const defaultPolicy = {
  ...Object.fromEntries(Object.entries(policyOptions).map(([name, option]) => [name, option.default])),
  tenants: {},
} as Policy

/**
 * Reads what people write under `policy:`, and fills in the defaults. Throws BAD_VALUE, naming every unknown
 * option and value out of range.
 *
 * @param written - some of the options
 * @public
 * @example
 * ```ts
 * parsePolicy({ maxWait: '2m' }).maxWait // => 120_000
 * parsePolicy({ maxwait: '2m' }) // throws BAD_VALUE
 * ```
 */
export function parsePolicy(written: PolicyOptions | Record<string, unknown>): Policy {
  const policy = { ...defaultPolicy }
  const faults: string[] = []
  for (const [name, value] of Object.entries(written)) {
    const fault = setOption(policy, name, value)
    if (fault) faults.push(fault)
  }
  if (faults.length > 0) throw new SchedulerError('BAD_VALUE', faults.join('\n'), { faults })
  return policy
}

/** Sets one option, or answers with the sentence that says why not. */
function setOption(policy: Policy, name: string, value: unknown): string | null {
  if (name === 'tenants') return setTenants(policy, value)
  const option: PolicyOption | undefined = policyOptions[name as PolicyKey]
  if (!option) return `policy.${name} is not an option. Options: ${Object.keys(policyOptions).join(', ')}.`
  const unit = option.kind === 'duration' ? ' ms' : ''
  let number: number
  try {
    number = readNumber(option, value)
  } catch (error) {
    return `policy.${name}: ${(error as Error).message}`
  }
  if (option.choices && !Number.isInteger(number))
    return `policy.${name} is ${JSON.stringify(value)}; it must be one of ${option.choices.join(', ')}.`
  const isKind = option.kind === 'count' ? Number.isInteger(number) : Number.isFinite(number)
  if (!isKind || number < option.min || number > option.max) {
    const kind = option.kind === 'count' ? 'a whole number' : 'a number'
    return `policy.${name} is ${JSON.stringify(value)}; it must be ${kind} from ${option.min} to ${option.max}${unit}.`
  }
  policy[name as PolicyKey] = number
  return null
}

/** A map of weights, or the same as JSON text: `{"alice": 2}`. */
function setTenants(policy: Policy, value: unknown): string | null {
  let weights: unknown = value
  try {
    if (typeof value === 'string') weights = JSON.parse(value)
  } catch {
    weights = null
  }
  const isMap = typeof weights === 'object' && weights !== null && !Array.isArray(weights)
  const wrong = isMap
    ? Object.entries(weights as object).find(([, weight]) => !(weight > 0 && weight <= 1e6))
    : null
  if (!isMap)
    return `policy.tenants is ${JSON.stringify(value)}; it must be a map of weights, such as { alice: 2 }.`
  if (wrong)
    return `policy.tenants.${wrong[0]} is ${JSON.stringify(wrong[1])}; a weight must be a number above 0, up to 1000000.`
  policy.tenants = weights as Record<string, number>
  return null
}

function readNumber({ kind, choices }: PolicyOption, value: unknown): number {
  // Text is what people write, and a number what programs do.
  if (kind === 'duration' && typeof value === 'string' && hasNoUnit(value))
    throw new SchedulerError('BAD_VALUE', `${askForUnit(value, timeUnits)}.`, { value })
  if (kind === 'duration') return parseDuration(value as string)
  const place = choices?.indexOf(String(value)) ?? -1
  return place >= 0 ? place : Number(value)
}
