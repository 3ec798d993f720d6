// The pipeline file: every key, its meaning, unit, range and default, as a zod schema. The same texts make
// plimsoll.schema.json, which editors show and check while people write.
import { z } from 'zod'
import type { SchedulerError } from '../core/errors.ts'
import { type PolicyOption, policyOptions } from '../core/policy.ts'
import {
  askForUnit,
  hasNoUnit,
  type PlainUnits,
  parseBytes,
  parseDuration,
  sizeUnits,
  timeUnits,
} from '../core/units.ts'
import { defaultSafetyRatio } from '../core/vram.ts'

/** Text or a number. One without a unit is asked for it, where people may mean another than ours: below
 * `plainFrom`. */
function amount(text: string, plainUnits: PlainUnits, plainFrom = Number.POSITIVE_INFINITY) {
  return z
    .union([z.string(), z.number()], {
      error: (issue) => `${JSON.stringify(issue.input)} is not a quantity such as ${text}`,
    })
    .check((context) => {
      if (hasNoUnit(context.value) && Number(context.value) < plainFrom)
        context.issues.push({
          code: 'custom',
          message: askForUnit(context.value, plainUnits),
          input: context.value,
        })
    })
}

/** A quantity that one of ours reads, whose sentence becomes the fault. */
function quantity(read: (value: string | number) => number, type: ReturnType<typeof amount>) {
  return type.check((context) => {
    try {
      read(context.value)
    } catch (error) {
      context.issues.push({
        code: 'custom',
        message: (error as SchedulerError).message,
        input: context.value,
      })
    }
  })
}

const someTime = amount('250ms', timeUnits)
/** The title is what docs/configuration.md calls it. */
const size = quantity(parseBytes, amount('4.5GB', sizeUnits, 1e6)).meta({ title: 'size' })
const duration = quantity(parseDuration, someTime).meta({ title: 'duration' })
const orNever = quantity((value) => (value === -1 ? value : parseDuration(value)), someTime).meta({
  title: 'duration',
})
const name = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_]*$/, 'a name has letters, digits and _, and begins with a letter')
const count = z.number().int().min(1)
/** Any value; texts in it may hold `${expressions}`. */
const template = z.unknown()

const gpu = z.strictObject({
  name: name.describe('Name of the device, as it is shown; with kind auto followed by a number.'),
  kind: z
    .enum(['host', 'static', 'nvidia', 'amd', 'auto'])
    .describe(
      'host: RAM as a device, measured by the memory of the workers. static: only declared, nothing is measured. nvidia, amd: a GPU, measured through its driver. auto: every GPU that is found and not named by another element.',
    ),
  memory: size
    .optional()
    .describe(
      'Most that may be used: 16GB, 512MiB or a number of bytes. Required for host and static; default for a GPU: all of it.',
    ),
  index: z
    .number()
    .int()
    .min(0)
    .optional()
    .describe('For nvidia and amd: which GPU, in the order of `plimsoll doctor`. Default 0.'),
  uuid: z
    .string()
    .optional()
    .describe(
      'For nvidia and amd: which GPU, by the name that stays the same when others come and go; also a part of one (MIG). `plimsoll doctor` shows it. Default: by index.',
    ),
  safety: z
    .number()
    .gt(0)
    .max(1)
    .default(defaultSafetyRatio)
    .describe(
      'Share of the capacity that may be promised. Default 0.9, from the seed: drivers and fragments need the rest.',
    ),
})

const batch = z.strictObject({
  max: count.optional().describe('Most items in one batch. Default 8, chosen; 1 for exec.'),
  overhead: duration
    .optional()
    .describe('Time of a batch besides its items. Default 50ms, chosen; an estimate until it is measured.'),
  perItem: duration
    .optional()
    .describe('Time for each item. Default 200ms, chosen; an estimate until it is measured.'),
  exponent: z
    .number()
    .gt(0)
    .max(2)
    .optional()
    .describe(
      'A batch of n takes overhead + perItem × n ^ exponent: below 1 where larger batches pay. Default 1.',
    ),
  activation: size
    .optional()
    .describe(
      'Memory for each item of a running batch, beside vram. Default 0; what is measured counts more.',
    ),
})

const timeouts = z.strictObject({
  ready: duration
    .optional()
    .describe('From the start of the process to its ready: imports of large libraries. Default 60s, chosen.'),
  load: duration
    .optional()
    .describe(
      'From there to loaded. Default 5m, and 20s for each GB of vram (50 MB/s: a slow disk), or for 24GB where none is written; at most 6h.',
    ),
  run: duration.optional().describe('A batch whose items have no timeout of their own. Default 10m, chosen.'),
})

const model = z.strictObject({
  module: z
    .string()
    .optional()
    .describe(
      'One of module, command and exec. A .ts or .js file that exports load and run; it runs in a process of its own.',
    ),
  command: z
    .union([z.string(), z.array(z.string()).min(1)])
    .optional()
    .describe(
      'One of module, command and exec. A worker that speaks the runner contract on stdin and stdout (docs/runner-contract.md): list of arguments, or one text split at spaces.',
    ),
  exec: z
    .union([z.string(), z.array(z.string()).min(1)])
    .optional()
    .describe(
      'One of module, command and exec. A command for each item: JSON on stdin, JSON on stdout. Needs no device memory.',
    ),
  version: z
    .union([z.string(), z.number()])
    .optional()
    .describe(
      'Any text or whole number: results are made anew when it changes. For what a result depends on and Plimsoll does not see: weights, installed packages, what a Python file imports. A changed module (with what it imports), file in command or exec, option or environment is seen. Default: none.',
    ),
  vram: size
    .optional()
    .describe(
      'Memory that a loaded instance holds; 0 means that it needs no device. Left out for module and command: the first load, alone on a device, measures it. What is measured counts more than what is written after three loads.',
    ),
  loadTime: duration
    .optional()
    .describe(
      "Expected time to load. Default 5s, that of the seed's Whisper; an estimate until it is measured.",
    ),
  unloadTime: duration
    .optional()
    .describe(
      'Expected time until an eviction has given its memory back. Default 300ms, as in the reference workloads.',
    ),
  keepAlive: orNever
    .optional()
    .describe(
      'How long a loaded instance stays when nothing waits for its model: 5m, 0 for not at all, -1 for ever. Default 5m, as in Ollama. It goes sooner where another model needs the place.',
    ),
  pin: z
    .boolean()
    .optional()
    .describe(
      'true: once loaded it stays, also where another model needs the place; items of a model that then has a place on no device fail. Default false.',
    ),
  preload: z
    .boolean()
    .optional()
    .describe('true: loaded at the start, before anything waits for it. Default false.'),
  batch: batch
    .optional()
    .describe('How large its batches are, how long they take and what they hold. Default: as its keys say.'),
  concurrency: count
    .optional()
    .describe('Batches that one instance runs at once. Default 1: most workers compute one after another.'),
  options: z.unknown().optional().describe('Given to load as it is. Default: none.'),
  environment: z
    .record(z.string(), z.string())
    .optional()
    .describe('Variables for its processes, beside those of Plimsoll. Default: none.'),
  timeouts: timeouts
    .optional()
    .describe('How long its processes may take before they are ended. Default: as its keys say.'),
})

const source = z.strictObject({
  files: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .describe(
      'One of files, jsonl, stdin and list. Glob or list of globs, relative to this file. Each file is a record { path, name, sizeBytes }.',
    ),
  jsonl: z
    .string()
    .optional()
    .describe('One of files, jsonl, stdin and list. File of JSON lines. Each line is a record.'),
  stdin: z
    .enum(['jsonl', 'lines'])
    .optional()
    .describe(
      'One of files, jsonl, stdin and list. Standard input: JSON lines, or lines of text as { text }.',
    ),
  list: z
    .array(z.unknown())
    .optional()
    .describe('One of files, jsonl, stdin and list. Records written here.'),
})

const edgePolicy = z.enum(['fail', 'skip', 'continue'])

const step = z.strictObject({
  source: z
    .string()
    .optional()
    .describe('The source whose records it runs over. Required unless gather is true.'),
  model: z.string().describe('The model that runs it, one of models.'),
  input: template
    .optional()
    .describe(
      'What the worker gets; ${expressions} see source, each and earlier steps by name. Default: each with forEach, else the record; a step that gathers needs it.',
    ),
  when: z
    .string()
    .optional()
    .describe(
      '${condition}: where it is false the step is skipped, and later steps see null. Default: it always runs.',
    ),
  forEach: z
    .string()
    .optional()
    .describe(
      '${list}: one item for each element, called each; later steps see the list of outputs. Default: one item for each record.',
    ),
  needs: z
    .union([z.array(z.string()), z.record(z.string(), edgePolicy)])
    .optional()
    .describe(
      'Further steps to wait for, and what their failure means: fail (default), skip, continue. Steps in expressions are found by themselves. Default: those.',
    ),
  gather: z
    .boolean()
    .optional()
    .describe(
      'true: one item for the whole run; steps are lists of { source, output }, other gathering steps their output. Default false.',
    ),
  priority: z
    .number()
    .int()
    .min(-100)
    .max(100)
    .optional()
    .describe(
      'Higher first: strict within a model, weighed across models (policy.priorityBase). Default 0; from policy.interactiveFrom, 8, an item is interactive.',
    ),
  retries: z
    .number()
    .int()
    .min(0)
    .max(1000)
    .optional()
    .describe('Further attempts after a failure, with a pause that doubles. Default 2, chosen.'),
  timeout: duration
    .optional()
    .describe("Longest run of one item. Default: the model's timeouts.run for the batch."),
  deadline: duration
    .optional()
    .describe(
      'Time from its submission until an item must have ended. It goes first when it would be too late otherwise, and what it waits for too. Default: none.',
    ),
})

const table = z.strictObject({
  title: z.string().describe('Heading of the table.'),
  each: z.string().optional().describe('One of each and rows. A source: one row for each record.'),
  rows: z
    .string()
    .optional()
    .describe('One of each and rows. ${list}: one row for each element, called row.'),
  columns: z.record(z.string(), z.string()).describe('Title to text with ${expressions}.'),
})

const policyShape: z.ZodRawShape = {
  ...Object.fromEntries(Object.entries(policyOptions).map(([key, option]) => [key, optionType(option)])),
  tenants: z
    .record(z.string(), z.number())
    .optional()
    .describe(
      'Weights of tenants, above 0 to 1000000: twice the weight, twice the device time. Default: 1 for one that is not named.',
    ),
}

function optionType(option: PolicyOption) {
  const { text, kind, choices, default: value, min, max } = option
  if (choices) {
    return z.enum(choices).optional().describe(`${text} Default ${choices[value]}.`)
  }
  const unit = kind === 'duration' ? ' ms' : ''
  const type =
    kind === 'duration' ? z.union([z.string(), z.number()]).meta({ title: 'duration' }) : z.number()
  return type.optional().describe(`${text} Range ${min} to ${max}${unit}. Default ${value}${unit}.`)
}

export const pipelineSchema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9][\w.-]*$/, 'a name has letters, digits, _, . and -')
      .describe('Names the database and its files: letters, digits, _, . and -.'),
    gpus: z
      .union([z.literal('auto'), z.array(gpu).min(1, 'names no device')], {
        error: 'must be auto or a list of devices',
      })
      .describe('The devices; auto: every NVIDIA and AMD GPU that is found, as gpu0, gpu1 and so on.'),
    models: z.record(name, model).describe('The models by name.'),
    policy: z
      .strictObject(policyShape)
      .optional()
      .describe(
        'How the scheduler chooses; the defaults are good (docs/policy.md). Default: as its keys say.',
      ),
    sources: z.record(name, source).describe('Where records come from, by name.'),
    steps: z.record(name, step).describe('The graph: what runs over each record, by name.'),
    report: z.array(table).optional().describe('Tables that are shown at the end. Default: none.'),
  })
  .meta({ title: 'Plimsoll pipeline' })

export type CheckedFile = z.output<typeof pipelineSchema>
