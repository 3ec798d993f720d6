// A small project in a folder of its own, and the real command in it, for the tests of this folder.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after } from 'node:test'

export const bin = resolve(import.meta.dirname, '../../bin/plimsoll')
const root = mkdtempSync(join(tmpdir(), 'plimsoll-cli-'))
after(() => rmSync(root, { recursive: true, force: true }))

let folderCount = 0

export interface Project {
  /** Lines of YAML, indented by two. */
  models: string
  steps: string
  /** Text of echo.js; by default it answers with its inputs. */
  worker?: string
  memory?: string
}

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
