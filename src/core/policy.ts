// The policy's options: one table with each option's meaning, unit, range, default and source. The same table checks
// what people write under `policy:` and feeds docs/configuration.md. The rules that use them are in decide.ts.
// "Lab" is the policy study of docs/policy.md: halving or doubling any one of its values changed the score by 1-2 %.
import { SchedulerError } from './errors.ts'
import { parseDuration } from './units.ts'

interface Option {
  /** duration: "300s" or ms; number: a plain number; count: a whole number. */
  kind: 'duration' | 'number' | 'count'
  default: number
  min: number
  max: number
  /** Meaning, trap, source of the default. */
  text: string
}

export const policyOptions = {
  maxWait: {
    kind: 'duration',
    default: 300_000,
    min: 1000,
    max: 86_400_000,
    text: 'Longest wait of a ready item before it is overdue and goes before everything that is not interactive. Below the time to load every model with work, loads compete. Lab: 300 s; 120 s costs 3 % in the mean.',
  },
  interactiveFrom: {
    kind: 'count',
    default: 8,
    min: -100,
    max: 101,
    text: 'Priority from which an item is interactive: next, in a batch of its own, and its model is loaded at once. 101 turns it off. Lab: 8.',
  },
  priorityBase: {
    kind: 'number',
    default: 1.5,
    min: 1,
    max: 4,
    text: 'Weight of one priority level more when models compete; within a model priority is strict. It saturates at 10 levels. Lab: 1.5.',
  },
  ageBonus: {
    kind: 'duration',
    default: 1000,
    min: 1,
    max: 600_000,
    text: 'Age that every item starts with, so that a new item counts. Lab: 1 s.',
  },
  loadWeight: {
    kind: 'number',
    default: 2,
    min: 0,
    max: 100,
    text: 'How much a millisecond of loading weighs against one of computing when the next load is chosen. Lab: 2.',
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
  visitBase: { kind: 'duration', default: 3000, min: 0, max: 600_000, text: 'See visitFactor. Lab: 3 s.' },
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
  replicaFactor: {
    kind: 'number',
    default: 1,
    min: 0,
    max: 1000,
    text: 'An idle device copies a model when its queue per copy takes this many load times. Lab: 1.',
  },
  replicaFreeFactor: {
    kind: 'number',
    default: 0.2,
    min: 0,
    max: 1000,
    text: 'The same where the copy needs no eviction. Lab: 0.2.',
  },
  releaseTimeout: {
    kind: 'duration',
    default: 5000,
    min: 100,
    max: 600_000,
    text: 'How long the memory of a stopped instance may take to come back before it is quarantined. Chosen, not measured.',
  },
  loadCooldown: {
    kind: 'duration',
    default: 1000,
    min: 0,
    max: 600_000,
    text: 'Pause after a failed load, doubled with each further one up to five minutes. Chosen, not measured.',
  },
  maxLoadFailures: {
    kind: 'count',
    default: 3,
    min: 1,
    max: 1000,
    text: 'Failed loads in a row after which the items that wait for the model fail with the reason. Chosen, not measured.',
  },
} as const satisfies Record<string, Option>

export type PolicyOption = keyof typeof policyOptions
/** A value for every option; durations in ms. */
export type Policy = { [Name in PolicyOption]: number }

export const defaultPolicy: Policy = Object.fromEntries(
  Object.entries(policyOptions).map(([name, option]) => [name, option.default]),
) as Policy

/** Reads what people write under `policy:`. Throws BAD_VALUE, naming every unknown option and value out of range. */
export function parsePolicy(written: Record<string, unknown>): Policy {
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
  const option: Option | undefined = policyOptions[name as PolicyOption]
  if (!option) return `policy.${name} is not an option. Options: ${Object.keys(policyOptions).join(', ')}.`
  const unit = option.kind === 'duration' ? ' ms' : ''
  let number: number
  try {
    number = option.kind === 'duration' ? parseDuration(value as string) : Number(value)
  } catch (error) {
    return `policy.${name}: ${(error as Error).message}`
  }
  const isKind = option.kind === 'count' ? Number.isInteger(number) : Number.isFinite(number)
  if (!isKind || number < option.min || number > option.max) {
    const kind = option.kind === 'count' ? 'a whole number' : 'a number'
    return `policy.${name} is ${JSON.stringify(value)}; it must be ${kind} from ${option.min} to ${option.max}${unit}.`
  }
  policy[name as PolicyOption] = number
  return null
}
