// A small project in a folder of its own, and the real command in it, for the tests of this folder.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { TestContext } from 'node:test'
import { temporaryFolder } from './folder.ts'

export const bin = resolve(import.meta.dirname, '../../bin/plimsoll')
const root = temporaryFolder('cli')

let folderCount = 0

export interface Project {
  /** Lines of YAML, indented by two. */
  models: string
  steps: string
  /** Text of echo.js; by default it answers with its inputs. */
  worker?: string
  memory?: string
}

/** A worker whose batches end when there is a file `go` beside it. */
export const held = `import { existsSync } from 'node:fs'
export async function load() {}
export async function run(inputs) {
  while (!existsSync('go')) await new Promise((wake) => setTimeout(wake, 20))
  return inputs
}
`

const echo = 'export async function load() {}\nexport async function run(inputs) { return inputs }\n'

export function emptyFolder(): string {
  const folder = join(root, String(++folderCount))
  mkdirSync(folder)
  return folder
}

/** A folder with pipeline.yaml over the texts one, two and three, and echo.js. */
export function project({ models, steps, worker = echo, memory = '1GB' }: Project): string {
  const folder = emptyFolder()
  mkdirSync(join(folder, 'texts'))
  for (const text of ['one', 'two', 'three']) writeFileSync(join(folder, 'texts', `${text}.txt`), text)
  writeFileSync(join(folder, 'echo.js'), worker)
  const head = `name: small\ngpus:\n  - { name: ram, kind: host, memory: ${memory} }\n`
  const sources = 'sources:\n  texts: { files: "texts/*.txt" }\n'
  writeFileSync(join(folder, 'pipeline.yaml'), `${head}models:\n${models}${sources}steps:\n${steps}`)
  return folder
}

export function plimsoll(folder: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(bin, args, { cwd: folder, encoding: 'utf8', timeout: 60_000 })
  return { status, stdout, stderr }
}

/** A command that goes on while the test asks others; killed at the end of the test, if it has not ended. */
export function startPlimsoll(test: TestContext, folder: string, ...args: string[]): ChildProcess {
  const child = spawn(bin, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  test.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  return child
}

/** Waits until the journal of a run has what is looked for. */
export async function recorded(child: ChildProcess, folder: string, what: RegExp): Promise<void> {
  const path = join(folder, '.plimsoll/small.journal.jsonl')
  while (!(existsSync(path) && what.test(readFileSync(path, 'utf8')))) {
    assert.equal(child.exitCode, null, 'the run is on')
    await new Promise((wake) => setTimeout(wake, 20))
  }
}
