// examples/embed as people run it: a process, its output and its file; and Ctrl-C in the middle.
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { temporaryFolder } from '../support/folder.ts'

const examples = join(import.meta.dirname, '../../examples/embed')
const program = (name: string) => join(examples, name)

interface Line {
  id: string
  output: string
}

const linesOf = (file: string): Line[] =>
  readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

/** All that is to be done is there once, and nothing before what it waits for. */
function assertWhole(lines: readonly Line[]): void {
  const places = new Map(lines.map(({ id }, index) => [id, index]))
  assert.equal(lines.length, 500)
  assert.equal(places.size, 500)
  for (let index = 1; index <= 100; index++) {
    const place = (model: string) => places.get(`v${index}_${model}`)!
    const summary = lines[place('Qwen3')]!
    for (const model of ['Whisper', 'VideoMAE', 'CLAP', 'DINOv3']) {
      assert.ok(place(model) < place('Qwen3'))
      assert.ok(summary.output.includes(lines[place(model)]!.output), 'it was given what it waited for')
    }
  }
}

test('five models over 100 videos: all is done once and in order, and loads say why', () => {
  const file = join(temporaryFolder('videos'), 'results.jsonl')
  const printed = execFileSync(process.execPath, [program('videos.ts'), file, '1'], { encoding: 'utf8' })
  assertWhole(linesOf(file))
  assert.match(printed, /^0 items were done before, 500 are left$/m)
  assert.match(printed, /^\w+ is loaded: its queue deserves the device most \(100 ready\)\.$/m)
  assert.match(printed, /^Whisper: 100 items in \d+ batches, loaded \d+ times$/m)
  assert.match(printed, /switches; 0 items are left$/m)
  const again = execFileSync(process.execPath, [program('videos.ts'), file, '1'], { encoding: 'utf8' })
  assert.match(again, /^500 items were done before, 0 are left$/m)
  assert.equal(linesOf(file).length, 500)
})

test('Ctrl-C in the middle: the batch that runs is kept, the end is clean, and the next start goes on', async (test) => {
  const file = join(temporaryFolder('videos'), 'results.jsonl')
  const child = spawn(process.execPath, [program('videos.ts'), file, '100'], { stdio: ['ignore', 'pipe', 2] })
  test.after(() => child.kill('SIGKILL'))
  const printed = await interrupted(child, /is loaded/)
  const [code, signal] = [child.exitCode, child.signalCode]
  assert.deepEqual([code, signal], [130, null], printed.join('\n'))
  const lines = linesOf(file)
  assert.match(printed.at(-1)!, new RegExp(`; ${500 - lines.length} items are left: start again to go on$`))
  const rest = execFileSync(process.execPath, [program('videos.ts'), file, '1'], { encoding: 'utf8' })
  assert.match(
    rest,
    new RegExp(`^${lines.length} items were done before, ${500 - lines.length} are left$`, 'm'),
  )
  assertWhole(linesOf(file))
})

/** Sends SIGINT when a line is printed; answers with all lines when it has ended. */
async function interrupted(child: ChildProcess, when: RegExp): Promise<string[]> {
  const lines: string[] = []
  const ended = once(child, 'close')
  for await (const line of createInterface({ input: child.stdout! })) {
    lines.push(line)
    if (when.test(line)) child.kill('SIGINT')
  }
  await ended
  return lines
}

test('the semaphore: ten runs share 7.2 GB, and each has room', () => {
  const printed = execFileSync(process.execPath, [program('semaphore.ts')], { encoding: 'utf8' })
  const lines = printed.trimEnd().split('\n')
  assert.equal(lines.length, 10)
  const looks = lines.map((line) => /^(\w+) looks at (v[12]): ([\d.]+) GB, ([\d.]+) GB are left$/.exec(line)!)
  assert.equal(new Set(looks.map(([, model, video]) => `${model} ${video}`)).size, 10)
  for (const [line, , , held, left] of looks) assert.ok(Number(held) + Number(left) <= 7.2, line)
})
