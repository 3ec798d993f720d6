// Stand-ins for the vendors' libraries, compiled from the C files beside this one, and
// the folder that they and the tests share (card.h). Without a C compiler the tests
// that need them are skipped, with that reason; in CI they fail.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const compiler = ['cc', 'gcc', 'clang'].find((each) => spawnSync(each, ['--version']).status === 0)

/** For the `skip` of a test. */
export const skipWithoutCompiler =
  compiler || process.env.CI ? false : 'no C compiler (cc, gcc, clang) for the stand-in of the library'

/** Compiles a stand-in to a shared library, once. */
export function compile(source: 'nvml.c' | 'compute.c', file: string, flags: readonly string[] = []): string {
  if (existsSync(file)) return file
  mkdirSync(dirname(file), { recursive: true })
  const argv = ['-std=gnu11', '-O1', '-w', '-shared', '-fPIC', ...flags, '-o', file]
  const { status, stderr, error } = spawnSync(
    compiler ?? 'cc',
    [...argv, join(import.meta.dirname, source)],
    {
      encoding: 'utf8',
    },
  )
  if (status !== 0) throw new Error(`the stand-in ${source} was not compiled: ${error?.message ?? stderr}`)
  return file
}

type Value = string | number

/** The folder of the cards, as the tests edit it. */
export class StandIn {
  readonly folder: string

  constructor(folder: string) {
    this.folder = folder
    this.set({ driver: '550.54.14' })
  }

  /** Writes files by their path in the folder. */
  set(values: Record<string, Value>): void {
    for (const [path, value] of Object.entries(values)) {
      const file = join(this.folder, path)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(`${file}.tmp`, `${value}\n`)
      renameSync(`${file}.tmp`, file)
    }
  }

  /** A GPU, or with a path such as "gpu0/mig0" a part of one. */
  add(path: string, values: Record<string, Value>): void {
    this.set(Object.fromEntries(Object.entries(values).map(([key, value]) => [`${path}/${key}`, value])))
  }

  remove(...paths: string[]): void {
    for (const path of paths) rmSync(join(this.folder, path), { recursive: true, force: true })
  }
}
