// The pipeline file as a type, for `definePipeline`. Made from schema.ts by `npm run docs`: change it there.

/**
 * A size: `4.5GB`, `512MiB`, or a number of bytes.
 *
 * @beta
 * @example
 * ```ts
 * const size: Size = '4.5GB'
 * ```
 */
export type Size = string | number

/**
 * A duration: `250ms`, `1.5s`, `10m`, `2h`, or a number of milliseconds.
 *
 * @beta
 * @example
 * ```ts
 * const duration: Duration = '10m'
 * ```
 */
export type Duration = string | number

/**
 * A device.
 *
 * @beta
 * @example
 * ```ts
 * const gpu: PipelineGpu = { name: 'ram', kind: 'host', memory: '1GB' }
 * ```
 */
export interface PipelineGpu {
  /** Name of the device, as it is shown; with kind auto followed by a number. */
  name: string
  /** host: RAM as a device, measured by the memory of the workers. static: only declared, nothing is
   * measured. nvidia, amd: a GPU, measured through its driver. auto: every GPU that is found and not named by
   * another element. */
  kind: 'host' | 'static' | 'nvidia' | 'amd' | 'auto'
  /** Most that may be used: 16GB, 512MiB or a number of bytes. Required for host and static; default for a
   * GPU: all of it. */
  memory?: Size
  /** For nvidia and amd: which GPU, in the order of `plimsoll doctor`. Default 0. */
  index?: number
  /** For nvidia and amd: which GPU, by the name that stays the same when others come and go; also a part of
   * one (MIG). `plimsoll doctor` shows it. Default: by index. */
  uuid?: string
  /** Share of the capacity that may be promised. Default 0.9, from the seed: drivers and fragments need the
   * rest. */
  safety?: number
}

/**
 * How batches of a model are.
 *
 * @beta
 * @example
 * ```ts
 * const batch: PipelineBatch = { max: 16, perItem: '150ms', activation: '200MB' }
 * ```
 */
export interface PipelineBatch {
  /** Most items in one batch. Default 8, chosen; 1 for exec. */
  max?: number
  /** Time of a batch besides its items. Default 50ms, chosen; an estimate until it is measured. */
  overhead?: Duration
  /** Time for each item. Default 200ms, chosen; an estimate until it is measured. */
  perItem?: Duration
  /** A batch of n takes overhead + perItem × n ^ exponent: below 1 where larger batches pay. Default 1. */
  exponent?: number
  /** Memory for each item of a running batch, beside vram. Default 0; what is measured counts more. */
  activation?: Size
}

/**
 * How long processes of a model may take.
 *
 * @beta
 * @example
 * ```ts
 * const timeouts: PipelineTimeouts = { load: '10m', run: '2m' }
 * ```
 */
export interface PipelineTimeouts {
  /** From the start of the process to its ready: imports of large libraries. Default 60s, chosen. */
  ready?: Duration
  /** From there to loaded. Default 5m, and 20s for each GB of vram (50 MB/s: a slow disk), or for 24GB where
   * none is written; at most 6h. */
  load?: Duration
  /** A batch whose items have no timeout of their own. Default 10m, chosen. */
  run?: Duration
}

/**
 * A model: how it is run, and what it needs.
 *
 * @beta
 * @example
 * ```ts
 * const model: PipelineModel = { module: 'workers/whisper.ts', vram: '4.5GB', loadTime: '5s' }
 * ```
 */
export interface PipelineModel {
  /** One of module, command and exec. A .ts or .js file that exports load and run; it runs in a process of
   * its own. */
  module?: string
  /** One of module, command and exec. A worker that speaks the runner contract on stdin and stdout
   * (docs/runner-contract.md): list of arguments, or one text split at spaces. */
  command?: string | string[]
  /** One of module, command and exec. A command for each item: JSON on stdin, JSON on stdout. Needs no device
   * memory. */
  exec?: string | string[]
  /** Any text or whole number: results are made anew when it changes. For what a result depends on and
   * Plimsoll does not see: weights, installed packages, what a Python file imports. A changed module (with
   * what it imports), file in command or exec, option or environment is seen. Default: none. */
  version?: string | number
  /** Memory that a loaded instance holds; 0 means that it needs no device. Left out for module and command:
   * the first load, alone on a device, measures it. What is measured counts more than what is written after
   * three loads. */
  vram?: Size
  /** Expected time to load. Default 5s, that of the seed's Whisper; an estimate until it is measured. */
  loadTime?: Duration
  /** Expected time until an eviction has given its memory back. Default 300ms, as in the reference
   * workloads. */
  unloadTime?: Duration
  /** How long a loaded instance stays when nothing waits for its model: 5m, 0 for not at all, -1 for ever.
   * Default 5m, as in Ollama. It goes sooner where another model needs the place. */
  keepAlive?: Duration
  /** true: once loaded it stays, also where another model needs the place; items of a model that then has a
   * place on no device fail. Default false. */
  pin?: boolean
  /** true: loaded at the start, before anything waits for it. Default false. */
  preload?: boolean
  /** How large its batches are, how long they take and what they hold. Default: as its keys say. */
  batch?: PipelineBatch
  /** Batches that one instance runs at once. Default 1: most workers compute one after another. */
  concurrency?: number
  /** Given to load as it is. Default: none. */
  options?: unknown
  /** Variables for its processes, beside those of Plimsoll. Default: none. */
  environment?: Record<string, string>
  /** How long its processes may take before they are ended. Default: as its keys say. */
  timeouts?: PipelineTimeouts
}

/**
 * How the scheduler chooses (docs/policy.md).
 *
 * @beta
 * @example
 * ```ts
 * const policy: PipelinePolicy = { goal: 'throughput', maxWait: '2m' }
 * ```
 */
export interface PipelinePolicy {
  /** What is made small. latency: the mean time of a job. throughput: the time until a large graph of items
   * is done, and its loads; items may wait long. balanced: as latency, but a queue takes the place of another
   * only if it deserves it `hysteresis` times more, not half of that (1.5 for 2). Study: on wf-nextflow
   * throughput loads 361 models, balanced 513 (docs/policy.md). Default balanced. */
  goal?: 'latency' | 'balanced' | 'throughput'
  /** Longest wait of a ready item before it is overdue and goes before everything that is not interactive. In
   * an overload it is stretched, see backlogFactor. Lab: 300 s; 120 s costs 3 % in the mean. Range 1000 to
   * 86400000 ms. Default 300000 ms. */
  maxWait?: Duration
  /** In an overload an item is overdue only after this share of the time to clear all that waited at its
   * worst, if that is longer than maxWait: a bound that cannot be kept makes loads compete. 0: maxWait
   * always. Study: 1 takes 25 % off the mean time of 500 videos at once. Range 0 to 100. Default 1. */
  backlogFactor?: number
  /** Priority from which an item is interactive: next, in a batch of its own, and its model is loaded at
   * once. 101 turns it off. Lab: 8. Range -100 to 101. Default 8. */
  interactiveFrom?: number
  /** Longest time that a running batch should hold up an interactive item: while interactive items come (one
   * in the last 10 min), other batches are kept shorter than this, unless each of their items then took a
   * tenth longer. 0: off. 10 s is how long people keep their mind on what they wait for (Nielsen 1993).
   * Study: of 1,521 interactive items among bursts on 16 GB 2 wait longer than 10 s instead of 22, both for a
   * first load; everything else is 2 % slower. Range 0 to 3600000 ms. Default 10000 ms. */
  interactiveWait?: Duration
  /** Weight of one priority level more when models compete; within a model priority is strict. It saturates
   * at 10 levels. Study: 2 instead of 1.5 takes 2 to 5 % off the mean time of bursts of mixed priority, since
   * jobs come in about the same order at all of their models; the lowest level waits longer, within the wait
   * bound. Range 1 to 4. Default 2. */
  priorityBase?: number
  /** Age that every item starts with, so that a new item counts. Lab: 1 s. Range 1 to 600000 ms. Default 1000
   * ms. */
  ageBonus?: Duration
  /** For each such time that a tenant has had more of a device than the least served one, its items weigh
   * half as much across models. Within a queue the least served tenant comes first. Study: beside a flood of
   * 600 items on the only place, a steady tenant has 32 of its 60 items done after 200 s with 60 s, all with
   * 30 s. Range 1000 to 86400000 ms. Default 30000 ms. */
  fairnessHorizon?: Duration
  /** How much a millisecond of loading weighs against one of computing when the next load is chosen. Lab: 2.
   * Study: 2.5 is 0.5 % better in the mean, 3 the same again. Range 0 to 100. Default 2.5. */
  loadWeight?: number
  /** How much the size of a queue counts against it: 0 the largest bill first, 1 the largest bill per
   * millisecond of work. Lab: 0.5. Range 0 to 1. Default 0.5. */
  costExponent?: number
  /** How many times more a queue must deserve the device than a resident one that still has work, once that
   * one has had its visit. Lab: 2; higher loads less and waits longer. Range 1 to 100. Default 2. */
  hysteresis?: number
  /** A visit ends after this many times (load time + visitBase) of compute, or after the items found at its
   * start. Lab: 4. Range 0 to 1000. Default 4. */
  visitFactor?: number
  /** Added to the load time in visitFactor, so that a model that loads at once has a visit too. Lab: 3 s.
   * Range 0 to 600000 ms. Default 3000 ms. */
  visitBase?: Duration
  /** A visit goes on while the rest of the items found at its start needs less than this many load times,
   * since the model would be loaded again for them. Study: without it arena27 loads 30 times instead of 27; 2
   * to 6 make no difference elsewhere. Range 0 to 1000. Default 4. */
  finishFactor?: number
  /** How much the compute that is left of its job counts against a batch while nothing has to be loaded: jobs
   * that are nearly done end first. Study: 1 takes 4 % off where all models fit. Range 0 to 100. Default
   * 1. */
  restWeight?: number
  /** An interactive item cuts a visit short only after this many load times of its compute. Lab: 1. Range 0
   * to 100. Default 1. */
  guard?: number
  /** Interactive batches in a row on a device before an overdue item is let in. Lab: 4. Range 1 to 1000.
   * Default 4. */
  burst?: number
  /** A model that will be needed is loaded ahead over an idle one only if it is worth this many times more.
   * Lab: 2. Range 1 to 1000. Default 2. */
  prefetchGain?: number
  /** An idle device copies a model when each copy would still have this many load times of work. Lab: 1,
   * counted without the new copy, which is 15 % worse on four devices. Range 0 to 1000. Default 1. */
  copyFactor?: number
  /** As copyFactor, where the copy needs no eviction. Lab: 0.2. Range 0 to 1000. Default 0.2. */
  copyFreeFactor?: number
  /** How long the memory of a stopped instance may take to come back before it is quarantined. Chosen, not
   * measured. Range 100 to 600000 ms. Default 5000 ms. */
  releaseTimeout?: Duration
  /** No memory of a device is promised whose last reading is older, neither to a load nor to a batch: another
   * process may have taken what it showed. Devices are read twice a second. Chosen, not measured. Range 500
   * to 600000 ms. Default 5000 ms. */
  staleAfter?: Duration
  /** Pause after a failed load, doubled with each further one up to five minutes. From LocalAI and GPUStack:
   * 10 s. Range 0 to 600000 ms. Default 10000 ms. */
  loadCooldown?: Duration
  /** Failed loads in a row after which the items that wait for the model fail with the reason. Chosen, not
   * measured. Range 1 to 1000. Default 3. */
  maxLoadFailures?: number
  /** Weights of tenants, above 0 to 1000000: twice the weight, twice the device time. Default: 1 for one that
   * is not named. */
  tenants?: Record<string, number>
}

/**
 * Where records come from.
 *
 * @beta
 * @example
 * ```ts
 * const source: PipelineSource = { files: 'videos/*.mp4' }
 * ```
 */
export interface PipelineSource {
  /** One of files, jsonl, stdin and list. Glob or list of globs, relative to this file. Each file is a record
   * { path, name, sizeBytes }. */
  files?: string | string[]
  /** One of files, jsonl, stdin and list. File of JSON lines. Each line is a record. */
  jsonl?: string
  /** One of files, jsonl, stdin and list. Standard input: JSON lines, or lines of text as { text }. */
  stdin?: 'jsonl' | 'lines'
  /** One of files, jsonl, stdin and list. Records written here. */
  list?: unknown[]
}

/**
 * What runs over each record.
 *
 * @beta
 * @example
 * ```ts
 * const step: PipelineStep = { source: 'videos', model: 'whisper', input: { path: '${source.path}' } }
 * ```
 */
export interface PipelineStep {
  /** The source whose records it runs over. Required unless gather is true. */
  source?: string
  /** The model that runs it, one of models. */
  model: string
  /** What the worker gets; ${expressions} see source, each and earlier steps by name. Default: each with
   * forEach, else the record; a step that gathers needs it. */
  input?: unknown
  /** ${condition}: where it is false the step is skipped, and later steps see null. Default: it always
   * runs. */
  when?: string
  /** ${list}: one item for each element, called each; later steps see the list of outputs. Default: one item
   * for each record. */
  forEach?: string
  /** Further steps to wait for, and what their failure means: fail (default), skip, continue. Steps in
   * expressions are found by themselves. Default: those. */
  needs?: string[] | Record<string, 'fail' | 'skip' | 'continue'>
  /** true: one item for the whole run; steps are lists of { source, output }, other gathering steps their
   * output. Default false. */
  gather?: boolean
  /** Higher first: strict within a model, weighed across models (policy.priorityBase). Default 0; from
   * policy.interactiveFrom, 8, an item is interactive. */
  priority?: number
  /** Further attempts after a failure, with a pause that doubles. Default 2, chosen. */
  retries?: number
  /** Longest run of one item. Default: the model's timeouts.run for the batch. */
  timeout?: Duration
  /** Time from its submission until an item must have ended. It goes first when it would be too late
   * otherwise, and what it waits for too. Default: none. */
  deadline?: Duration
}

/**
 * A table that is shown at the end.
 *
 * @beta
 * @example
 * ```ts
 * const table: PipelineTable = { title: 'Videos', each: 'videos', columns: { name: '${source.name}' } }
 * ```
 */
export interface PipelineTable {
  /** Heading of the table. */
  title: string
  /** One of each and rows. A source: one row for each record. */
  each?: string
  /** One of each and rows. ${list}: one row for each element, called row. */
  rows?: string
  /** Title to text with ${expressions}. */
  columns: Record<string, string>
}

/**
 * A pipeline, as it is written in YAML.
 *
 * @beta
 * @example
 * ```ts
 * const file: PipelineFile = {
 *   name: 'shout',
 *   gpus: [{ name: 'ram', kind: 'host', memory: '1GB' }],
 *   models: { loud: { exec: ['tr', 'a-z', 'A-Z'] } },
 *   sources: { words: { list: [{ text: 'hello' }] } },
 *   steps: { shout: { source: 'words', model: 'loud', input: '${source.text}' } },
 * }
 * definePipeline(file).name // => 'shout'
 * ```
 */
export interface PipelineFile {
  /** Names the database and its files: letters, digits, _, . and -. */
  name: string
  /** The devices; auto: every NVIDIA and AMD GPU that is found, as gpu0, gpu1 and so on. */
  gpus: 'auto' | PipelineGpu[]
  /** The models by name. */
  models: Record<string, PipelineModel>
  /** How the scheduler chooses; the defaults are good (docs/policy.md). Default: as its keys say. */
  policy?: PipelinePolicy
  /** Where records come from, by name. */
  sources: Record<string, PipelineSource>
  /** The graph: what runs over each record, by name. */
  steps: Record<string, PipelineStep>
  /** Tables that are shown at the end. Default: none. */
  report?: PipelineTable[]
}
