// A model that really holds memory, and whose vices are options: what it holds beyond its declaration,
// children, deafness. An item makes it crash, hang or run out of memory when told to. What it begins
// is noted in a file before it is done, so that the round can tell afterwards what ran, and where.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, writeFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

export interface ModelOptions {
  heldBytes: number
  /** Held while a batch runs. */
  batchBytes: number
  /** What a child of its holds: in its group, or in a session of its own. */
  childBytes: number
  isStray: boolean
  /** Neither the end of stdin nor TERM ends it. */
  isDeaf: boolean
  /** For each item. */
  workMs: number
  /** Where executions are noted. */
  executions: string
  /** Folder with one file for each act that was done. */
  flags: string
}

export interface ModelInput {
  key: string
  n: number
  step: number
  parents: number[]
  act: string
}

export interface ModelOutput {
  value: number
  execution: string
}

export interface Execution {
  key: string
  execution: string
  pid: number
  /** What it did instead of answering, or ''. */
  act: string
}

export interface Model {
  options: ModelOptions
  held: Buffer
}

/** What the result of an item is, whoever computes it. */
export function resultOf(step: number, n: number, parents: readonly number[]): number {
  return (n * 31 + step * 17 + parents.reduce((sum, each) => sum + each * 7, 0)) % 1_000_003
}

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

export async function load({ options }: { options: ModelOptions }): Promise<Model> {
  if (options.isDeaf) process.on('SIGTERM', () => {})
  if (options.childBytes > 0) await haveChild(options)
  return { options, held: Buffer.alloc(options.heldBytes, 1) }
}

/** Resolves when the child holds what it should. It lives until it is killed. */
async function haveChild({ childBytes, isStray }: ModelOptions): Promise<void> {
  const script = `const held = Buffer.alloc(${childBytes}, 1); console.log(held.length); process.on('SIGTERM', () => {}); setInterval(() => held, 1000)`
  const child = spawn(process.execPath, ['-e', script], {
    detached: isStray,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await once(child.stdout!, 'data')
  child.stdout!.destroy()
  child.unref()
}

export async function run(inputs: ModelInput[], model: Model): Promise<(ModelOutput | Error)[]> {
  const outputs: (ModelOutput | Error)[] = []
  for await (const output of answers(inputs, model)) outputs.push(output)
  return outputs
}

/** One by one, as they are known. */
export async function* answers(
  inputs: readonly ModelInput[],
  { options }: Model,
): AsyncGenerator<ModelOutput | Error> {
  let extra: Buffer | null = options.batchBytes > 0 ? Buffer.alloc(options.batchBytes, 1) : null
  for (const input of inputs) yield await answer(input, options)
  if (extra === null) return
  extra = null
  collect()
}

let count = 0

async function answer(input: ModelInput, options: ModelOptions): Promise<ModelOutput | Error> {
  const execution = `${process.pid}-${Date.now()}-${++count}`
  const { key, n, step, parents } = input
  const act = input.act !== '' && isDue(input, options) ? input.act : ''
  const note: Execution = { key, execution, pid: process.pid, act }
  appendFileSync(options.executions, `${JSON.stringify(note)}\n`)
  if (act === 'crash' || act === 'poison') process.exit(9)
  if (act === 'hang') await new Promise(() => setInterval(() => {}, 1000))
  if (act === 'out of memory') return new Error('CUDA out of memory. Tried to allocate 2.00 GiB')
  await new Promise((wake) => setTimeout(wake, options.workMs))
  return { value: resultOf(step, n, parents), execution }
}

/** Poison always, the rest once. */
function isDue({ key, act }: ModelInput, { flags }: ModelOptions): boolean {
  if (act === 'poison') return true
  try {
    writeFileSync(`${flags}/${key}`, '', { flag: 'wx' })
    return true
  } catch {
    return false
  }
}
