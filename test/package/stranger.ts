// Somebody who has a Node, npm and an empty folder, and installs the package there: nothing of this repository
// is in sight but the tarball.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { temporaryFolder } from '../support/folder.ts'

const root = resolve(import.meta.dirname, '../..')

/** The packed tarball. */
export function pack(): string {
  const folder = temporaryFolder('pack')
  const args = ['pack', '--silent', '--pack-destination', folder]
  assertQuiet(run('npm', args, { cwd: root, bin: '' }))
  return join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz'))!)
}

export interface Said {
  status: number | null
  stdout: string
  stderr: string
}

/** It went well, and nothing is said but what was asked for: that is the answer. */
export function assertQuiet({ status, stdout, stderr }: Said): string {
  assert.equal(stderr, '')
  assert.equal(status, 0, stdout)
  return stdout
}

/** The n-th block of a language in README, from 0. */
export function ofReadme(language: string, place: number): string {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const blocks = [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))]
  return blocks[place]![1]!
}

export class Stranger {
  readonly folder: string
  readonly #bin: string
  readonly #major: number

  /** `bin`: where its Node is. */
  constructor(bin: string, version: string) {
    this.#bin = bin
    this.#major = Number.parseInt(version, 10)
    this.folder = mkdtempSync(join(temporaryFolder('stranger'), 'project-'))
  }

  get hasDatabase(): boolean {
    return this.#major >= 22
  }

  /** Its JavaScript has the word `using`. */
  get hasUsing(): boolean {
    return this.#major >= 24
  }

  /** A project of its own, with these packages and nothing else; npm has nothing to warn of. */
  install(...packages: string[]): void {
    assertQuiet(this.run('npm', 'init', '-y'))
    const said = this.run('npm', 'install', ...packages)
    assert.doesNotMatch(said.stdout + said.stderr, /warn/i)
    assertQuiet(said)
  }

  run(command: string, ...args: string[]): Said {
    return run(command, args, { cwd: this.folder, bin: this.#bin })
  }

  /** Runs a script of this name and text with its Node. */
  script(name: string, text: string): Said {
    this.write(name, text)
    return this.run('node', name)
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.folder, name), text)
  }
}

/** Without what npm and the test runner tell the processes that they start, and without our own Node. */
function run(command: string, args: readonly string[], { cwd, bin }: { cwd: string; bin: string }): Said {
  const ours = join(root, 'node_modules/.bin')
  const path = process.env.PATH!.split(delimiter).filter((each) => each !== '' && !each.startsWith(ours))
  const ofRunners = /^(?:npm_(?!config_)|npm_config_local_prefix$|INIT_CWD$|NODE_(?:OPTIONS|PATH|TEST_|V8_))/
  const inherited = Object.entries(process.env).filter(([name]) => !ofRunners.test(name))
  const env = {
    ...Object.fromEntries(inherited),
    PATH: [bin, ...path].filter(Boolean).join(delimiter),
    npm_config_update_notifier: 'false',
  }
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    env,
    encoding: 'utf8',
    timeout: 600_000, // a slow registry is no fault of the package
  })
  if (error) throw error
  return { status, stdout, stderr }
}
