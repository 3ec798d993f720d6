// What a worker that has ended said at last, as one line for people, with the place in its author's own code:
// `worker.py:3: ModuleNotFoundError: No module named 'torch'`. It is
//   (1) the last line about memory;
//   (2) else the error that stands over a trace of Node or under one of Python, or that looks like one;
//   (3) else the last line that is no part of a trace.
// And whether they say that its code is broken, which no second try mends.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { isAbsolute, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { speaksOfMemory } from './out-of-memory.ts'
import type { Exit } from './runner.ts'

/** How much of the end of a log is read for its last words: a crash of V8 prints a page after its reason. */
const lastWordsBytes = 16_384

/** An error is looked for in so many lines of the end: one further up has been survived. */
const errorLines = 60

/** The line over which the code of an error is shown is at most so far above it. */
const codeLines = 8

const maxLength = 300

const named = /^(?:Uncaught )?[\w.$]*(?:Error|Exception)(?: \[\w+\])?(?::|$)/
const panic = /^(?:panic: |thread '.*' panicked at |Exception in thread )/
const ofTrace = /^\s*$|^\s+at |^Node\.js v|^\(Use `node |^[}\]]$|^note: run with `RUST_BACKTRACE/
const pythonFrame = /^ {2}File "(.+)", line (\d+)/
const nodeFrame = /^ {4}at (?:async )?(?:.* \()?((?:file:\/\/)?\/[^()]+):(\d+):\d+\)?$/
const nodeHead = /^((?:file:\/\/)?\/.+):(\d+)$/

/** What the worker printed at last; '' where there is nothing to be read. */
export function endOfLog(logFile: string): string {
  let file: number | null = null
  try {
    file = openSync(logFile, 'r')
    const { size } = fstatSync(file)
    const bytes = Buffer.alloc(Math.min(size, lastWordsBytes))
    return bytes.toString('utf8', 0, readSync(file, bytes, 0, bytes.length, size - bytes.length))
  } catch {
    return ''
  } finally {
    if (file !== null) closeSync(file)
  }
}

/** '' where it said nothing. */
export function lastWords(log: string, cwd: string): string {
  const lines = log.trimEnd().split('\n').slice(-errorLines)
  const ofMemory = lines.findLast((line) => speaksOfMemory(line))
  if (ofMemory) return ofMemory.slice(0, maxLength)
  const at = lines.findLastIndex((_, index) => isError(lines, index))
  if (at < 0) return (lines.findLast((line) => !ofTrace.test(line)) ?? '').slice(0, maxLength)
  const place = placeOf(lines, at, cwd)
  return `${place === null ? '' : `${place}: `}${lines[at]!}`.slice(0, maxLength)
}

/** Python's errors may have any name: they are known by the trace that ends above them. */
function isError(lines: readonly string[], index: number): boolean {
  const line = lines[index]!
  if (named.test(line) || panic.test(line)) return true
  return /^[A-Za-z_][\w.]*(?:: |$)/.test(line) && (framesAbove(lines, index)[0] ?? null) !== null
}

interface Place {
  file: string
  line: string
}

/** Where it went wrong: in the pipeline's folder if possible, else not in a library. */
function placeOf(lines: readonly string[], at: number, cwd: string): string | null {
  const places = [...framesAbove(lines, at), ...headAbove(lines, at), ...framesBelow(lines, at)].map(
    ({ file, line }) => ({
      file: file.startsWith('file://') ? fileURLToPath(file) : resolve(cwd, file),
      line,
    }),
  )
  const isLibrary = ({ file }: Place) =>
    /\/(?:node_modules|site-packages|dist-packages|lib\/python[\d.]+)\//.test(file)
  const isInside = ({ file }: Place) =>
    !isAbsolute(relative(cwd, file)) && !relative(cwd, file).startsWith('..')
  const ours = (place: Place) => place.file.startsWith(import.meta.dirname)
  const best =
    places.find((each) => isInside(each) && !isLibrary(each)) ??
    places.find((each) => !isLibrary(each) && !ours(each)) ??
    places.find((each) => !ours(each))
  if (!best) return null
  return `${isInside(best) ? relative(cwd, best.file) : best.file}:${best.line}`
}

/** Of a trace of Python, the innermost first. */
function framesAbove(lines: readonly string[], at: number): Place[] {
  const places: Place[] = []
  for (let index = at - 1; index >= 0 && lines[index]!.startsWith('  '); index--)
    places.push(...read(pythonFrame, lines[index]!))
  return places.filter(({ file }) => !file.startsWith('<'))
}

/** What Node prints over the code of an error, before the error. */
function headAbove(lines: readonly string[], at: number): Place[] {
  return lines
    .slice(Math.max(0, at - codeLines), at)
    .flatMap((line) => read(nodeHead, line))
    .reverse()
}

/** Of a trace of Node, the innermost first. */
function framesBelow(lines: readonly string[], at: number): Place[] {
  return lines.slice(at + 1).flatMap((line) => read(nodeFrame, line))
}

function read(pattern: RegExp, text: string): Place[] {
  const [, file, line] = pattern.exec(text) ?? []
  return file && line ? [{ file, line }] : []
}

const broken =
  /^(?:\S+:\d+: )?(?:SyntaxError|IndentationError|TabError|ImportError|ModuleNotFoundError|NameError|ReferenceError)\b|\bERR_(?:MODULE_NOT_FOUND|UNKNOWN_FILE_EXTENSION|PACKAGE_PATH_NOT_EXPORTED)\b|\bCannot find module\b|\bcan't open file\b/

/** Whether an error is about code that cannot be parsed or imported, or names what is not there. JSON that
 * cannot be parsed may be other JSON the next time. */
export function speaksOfBrokenCode(text: string): boolean {
  return broken.test(text) && !/\bJSON\b/.test(text)
}

/** Of a shell that cannot run a command, or does not find it. */
const notRunnable = [126, 127]

/** Whether a worker that ended before it was ready would do so again, whenever it is started. */
export function isBroken({ code, cause }: Exit, words: string): boolean {
  if (code === null) return /could not be started: .*\b(?:ENOENT|EACCES|ENOTDIR)\b/.test(cause)
  return code !== 0 && (notRunnable.includes(code) || speaksOfBrokenCode(words))
}
