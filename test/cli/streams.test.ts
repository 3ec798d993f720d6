// What a command prints may find no reader, a full disk, a terminal that closes, or a target that is no file.
// The exit code says what became of the work and of what was printed.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { bin, journaled, plimsoll } from '../support/command.ts'
import { held, project, ranProject } from '../support/project.ts'

const models = '  echo: { module: echo.js, vram: 200MB, batch: { max: 1 } }\n'
const steps = '  say: { source: texts, model: echo, retries: 0, input: { name: "${source.name}" } }\n'
const fails = `export async function load() {}
export async function run(inputs) { return inputs.map(({ name }) => (name === 'two.txt' ? new Error('bad') : name)) }
`

function shell(folder: string, script: string) {
  const env = { ...process.env, plimsoll: bin }
  return spawnSync('bash', ['-c', script], { cwd: folder, env, encoding: 'utf8', timeout: 60_000 })
}

test('a run whose output nobody reads goes on, and its exit code is that of its work', () => {
  const folder = project({ models, steps, worker: fails })
  const { stdout } = shell(folder, '"$plimsoll" run pipeline.yaml 2>&1 | head -1; echo "${PIPESTATUS[0]}"')
  assert.match(stdout, /^small: 3 items.*\n1\n$/)
  const { groups } = JSON.parse(plimsoll(folder, 'status', '--json').stdout)
  assert.deepEqual(
    groups.map(({ state, count }: { state: string; count: number }) => [state, count]).sort(),
    [
      ['done', 2],
      ['failed', 1],
    ],
  )
})

test('what cannot be written is no success', { skip: !existsSync('/dev/full') && 'no /dev/full' }, () => {
  const folder = ranProject({ models, steps })
  for (const call of ['status', 'items --json', 'run pipeline.yaml', 'export', '--help']) {
    const { stdout, stderr } = shell(folder, `"$plimsoll" ${call} > /dev/full; echo $?`)
    assert.equal(stdout, '1\n', call)
    assert.match(stderr, /no space left/i, call)
  }
})

test('what has seen enough of a list is no failure', () => {
  const folder = ranProject({ models, steps })
  const { stdout } = shell(folder, '"$plimsoll" export | head -c 1; echo "${PIPESTATUS[0]}"')
  assert.equal(stdout, '{0\n')
})

for (const [name, command, isDrained] of [
  ['a closed terminal drains a run', `exec "$plimsoll"`, true],
  ['under nohup a run goes on when the terminal closes', `trap '' HUP; exec "$plimsoll"`, false],
] as const) {
  test(name, async (test) => {
    const folder = project({ models, steps, worker: held })
    const env = { ...process.env, plimsoll: bin }
    const run = spawn('bash', ['-c', `${command} run pipeline.yaml`], { cwd: folder, env, stdio: 'pipe' })
    test.after(() => run.exitCode === null && run.kill('SIGKILL'))
    await journaled(run, folder, /batch-claimed/)
    run.kill('SIGHUP')
    if (isDrained) await journaled(run, folder, /drain-started/)
    writeFileSync(join(folder, 'go'), '')
    const [code] = await once(run, 'exit')
    assert.equal(code, isDrained ? 1 : 0)
    const { groups } = JSON.parse(plimsoll(folder, 'status', '--json').stdout)
    const doneCount = groups.find(({ state }: { state: string }) => state === 'done').count
    assert.equal(doneCount, isDrained ? 1 : 3)
  })
}

test('--out follows a link, writes into a pipe, and is no dash', () => {
  const folder = ranProject({ models, steps })
  mkdirSync(join(folder, 'real'))
  writeFileSync(join(folder, 'real/results.jsonl'), 'old\n')
  symlinkSync('real/results.jsonl', join(folder, 'link.jsonl'))
  assert.equal(plimsoll(folder, 'run', 'pipeline.yaml', '--out', 'link.jsonl').status, 0)
  assert.ok(lstatSync(join(folder, 'link.jsonl')).isSymbolicLink())
  const lineCount = (text: string) => text.trim().split('\n').length
  assert.equal(lineCount(readFileSync(join(folder, 'real/results.jsonl'), 'utf8')), 3)
  const script = 'mkfifo pipe; cat pipe & "$plimsoll" run pipeline.yaml --out pipe > /dev/null 2>&1; wait'
  assert.equal(lineCount(shell(folder, script).stdout), 3)
  assert.ok(lstatSync(join(folder, 'pipe')).isFIFO())
  const { status, stderr } = plimsoll(folder, 'run', 'pipeline.yaml', '--out', '-')
  assert.equal(status, 2)
  assert.match(stderr, /^--out - cannot be written: .*plimsoll export/)
})

test('control characters of data do not reach the terminal', () => {
  const worker = `export async function load() {}
export async function run() { throw new Error('\\x1b[2J\\x1b]0;title\\x07 gone\\u202e') }
`
  const folder = project({ models, steps, worker })
  const { all } = plimsoll(folder, 'run', 'pipeline.yaml')
  const items = plimsoll(folder, 'items').all
  const { id } = JSON.parse(plimsoll(folder, 'items', '--json').stdout)[0]
  const texts = [all, items, plimsoll(folder, 'why', id).all, plimsoll(folder, 'result', id).all]
  for (const text of texts) {
    assert.match(text, /gone/)
    assert.doesNotMatch(text, /(?![\n\t])\p{Cc}|\u202e/u)
  }
})
