// Sources: from globs, JSON lines, standard input or a written list to records, in an
// order that does not depend on the file system. A record's fingerprint tells when it
// has changed: for a file its path, size and time of change.
import fs, { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, relative, resolve } from 'node:path'
import { oldNode, SchedulerError } from '../core/errors.ts'
import { readJson } from '../core/json.ts'
import type { Pipeline } from './pipeline.ts'
import type { PipelineSource } from './pipeline-file.ts'

export interface SourceRecord {
  /** For people and ids. */
  id: string
  /** `source` in expressions. */
  value: unknown
  fingerprint: string
}

export interface Inputs {
  /** Files, folders or globs instead of a source's own; `name=glob` where there are
   * several sources of files. */
  inputs?: readonly string[]
  /** Text of standard input, for the source that reads it. */
  stdin?: string
}

/** Whether a source of the pipeline reads standard input. */
export function readsStdin({ sources }: Pipeline): boolean {
  return [...sources.values()].some(({ stdin }) => stdin !== undefined)
}

/** Source name to records. Throws BAD_VALUE for inputs that match nothing or fit no
 * source, and for lines that are not JSON. */
export function readSources(
  { sources, folder }: Pipeline,
  { inputs = [], stdin = '' }: Inputs,
): Map<string, SourceRecord[]> {
  const replaced = assignInputs(sources, inputs)
  return new Map(
    [...sources].map(([name, spec]) => {
      const given = replaced.get(name)
      if (given) {
        const paths = given.flatMap((pattern) => findInput(pattern, spec))
        return [name, fileRecords([...new Set(paths)], folder)]
      }
      return [name, readSource(name, spec, folder, stdin)]
    }),
  )
}

/** Which source each input is for. */
function assignInputs(sources: Pipeline['sources'], inputs: readonly string[]): Map<string, string[]> {
  const ofFiles = [...sources].filter(([, { files }]) => files !== undefined).map(([name]) => name)
  const assigned = new Map<string, string[]>()
  for (const input of inputs) {
    const [, named, pattern] = (!existsSync(input) && /^([A-Za-z]\w*)=(.+)$/.exec(input)) || []
    const name = named ?? (ofFiles.length === 1 ? ofFiles[0]! : null)
    if (name === null || !ofFiles.includes(name)) {
      const choice =
        ofFiles.length > 0
          ? `Write NAME=GLOB with one of: ${ofFiles.join(', ')}`
          : 'This pipeline has no source of files'
      throw new SchedulerError('BAD_VALUE', `It is not clear which source "${input}" is for. ${choice}.`, {
        input,
      })
    }
    assigned.set(name, [...(assigned.get(name) ?? []), pattern ?? input])
  }
  return assigned
}

/** A file, a folder (its files that the source's glob would take) or a glob, from where
 * the command was given. */
function findInput(pattern: string, { files }: PipelineSource): string[] {
  const stat = statOrNull(pattern)
  const own = (typeof files === 'string' ? [files] : files!).map((glob) =>
    glob.includes('**/') ? `**/${basename(glob)}` : basename(glob),
  )
  const paths = stat?.isDirectory() ? findFiles(own, pattern) : stat ? [pattern] : findFiles([pattern], '.')
  if (paths.length === 0)
    throw new SchedulerError(
      'BAD_VALUE',
      `"${pattern}" matches no file here. Inputs are files, folders or globs, from the folder that you are in.`,
      { pattern },
    )
  return paths.map((path) => resolve(path))
}

function readSource(
  name: string,
  { files, jsonl, stdin: form, list }: PipelineSource,
  folder: string,
  stdin: string,
): SourceRecord[] {
  if (files !== undefined) {
    const globs = typeof files === 'string' ? [files] : files
    const paths = findFiles(globs, folder)
    if (paths.length > 0) return fileRecords(paths, folder)
    throw new SchedulerError(
      'BAD_VALUE',
      `Source "${name}": ${globs.join(', ')} matches no file in ${folder}. Put files there, or name others after the pipeline.`,
    )
  }
  if (list !== undefined) return valueRecords(name, list)
  if (jsonl !== undefined)
    return valueRecords(name, parseLines(readText(name, resolve(folder, jsonl)), jsonl))
  const lines =
    form === 'lines' ? splitLines(stdin).map(({ text }) => ({ text })) : parseLines(stdin, 'standard input')
  return valueRecords(name, lines)
}

function readText(source: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new SchedulerError(
      'BAD_VALUE',
      `Source "${source}": ${file} cannot be read: ${(error as Error).message}.`,
      { file },
      error,
    )
  }
}

/** Files, not folders nor links that lead nowhere, sorted, each once. */
function findFiles(globs: readonly string[], folder: string): string[] {
  const { globSync } = fs as Partial<typeof fs>
  if (!globSync) throw oldNode('A source of files', process.versions.node)
  const found = globs.flatMap((glob) => globSync(glob, { cwd: folder }).map((path) => resolve(folder, path)))
  return [...new Set(found)].filter(isFile).sort()
}

/** A link that leads nowhere or to itself leads to no file. */
function isFile(path: string): boolean {
  return statOrNull(path)?.isFile() ?? false
}

/** null: there is nothing, or nothing that can be looked at, such as a name that is too long. */
function statOrNull(path: string): ReturnType<typeof statSync> | null {
  try {
    return statSync(path)
  } catch {
    return null
  }
}

/** Paths inside the pipeline's folder are relative to it, so that the folder can move. */
function fileRecords(paths: readonly string[], folder: string): SourceRecord[] {
  return paths.map((path) => {
    const { size, mtimeMs } = statSync(path)
    const own = relative(folder, path)
    const shown = own.startsWith('..') ? resolve(path) : own
    const name = basename(path)
    return {
      id: name,
      value: { path: shown, name, sizeBytes: size },
      fingerprint: `${shown} ${size} ${Math.round(mtimeMs)}`,
    }
  })
}

/** A record's own `id` names it, else its number. The same record again is another one, with another id. */
function valueRecords(source: string, values: readonly unknown[]): SourceRecord[] {
  const seen = new Map<string, number>()
  return values.map((value, index) => {
    const { id } = (value ?? {}) as { id?: unknown }
    const text = JSON.stringify(value)
    const repeat = seen.get(text) ?? 0
    seen.set(text, repeat + 1)
    const own = typeof id === 'string' || typeof id === 'number' ? String(id) : null
    return {
      id: own === null ? `${source}-${index + 1}` : repeat === 0 ? own : `${own}-${repeat + 1}`,
      value,
      fingerprint: `${text} ${repeat}`,
    }
  })
}

function parseLines(text: string, name: string): unknown[] {
  return splitLines(text).map(({ text: line, number }) => {
    const refuse = (what: string) =>
      new SchedulerError('BAD_VALUE', `${name}:${number} ${what}.`, { name, number })
    let read: ReturnType<typeof readJson>
    try {
      read = readJson(line)
    } catch (error) {
      throw refuse(`is not JSON: ${(error as Error).message}`)
    }
    if (read.fault !== null) throw refuse(read.fault)
    return read.value
  })
}

function splitLines(text: string): { text: string; number: number }[] {
  return text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .map((line, index) => ({ text: line.replace(/\r$/, ''), number: index + 1 }))
    .filter((line) => line.text.trim() !== '')
}
