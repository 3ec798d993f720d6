// A small project in a folder of its own: a pipeline over three texts, and its worker.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { plimsoll } from './command.ts'
import { temporaryFolder } from './folder.ts'

export interface Project {
  /** Lines of YAML, indented by two. */
  models: string
  steps: string
  /** Text of echo.js; by default it answers with its inputs. */
  worker?: string
  memory?: string
}

export const echo = 'export async function load() {}\nexport async function run(inputs) { return inputs }\n'

/** A worker whose batches end when there is a file `go` beside it. */
export const held = `import { existsSync, watch } from 'node:fs'
const here = import.meta.dirname
export async function load() {}
export const run = (inputs) => new Promise((end) => {
  const look = () => existsSync(here + '/go') && end(inputs)
  watch(here, look)
  look()
})
`

/** A folder with pipeline.yaml over the texts one, two and three, and echo.js. */
export function project({ models, steps, worker = echo, memory = '1GB' }: Project): string {
  const folder = temporaryFolder('project')
  mkdirSync(join(folder, 'texts'))
  for (const text of ['one', 'two', 'three']) writeFileSync(join(folder, 'texts', `${text}.txt`), text)
  writeFileSync(join(folder, 'echo.js'), worker)
  const head = `name: small\ngpus:\n  - { name: ram, kind: host, memory: ${memory} }\n`
  const sources = 'sources:\n  texts: { files: "texts/*.txt" }\n'
  writeFileSync(join(folder, 'pipeline.yaml'), `${head}models:\n${models}${sources}steps:\n${steps}`)
  return folder
}

/** A project whose items have run once, and well. */
export function ranProject(options: Project): string {
  const folder = project(options)
  const { status, all } = plimsoll(folder, 'run', 'pipeline.yaml', '--json')
  assert.equal(status, 0, all)
  return folder
}
