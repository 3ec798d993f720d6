// Runners with real processes: the contract, the faults of workers, and what a killed parent leaves.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { createRunner } from '../../src/runners/create.ts'
import { speaksOfMemory } from '../../src/runners/out-of-memory.ts'
import { isGroupAlive } from '../../src/runners/owned.ts'
import type { RunnerSpec } from '../../src/runners/runner.ts'
import { reapLeftovers, StartedProcesses } from '../../src/runners/started.ts'
import { StdioInstance } from '../../src/runners/stdio.ts'
import { temporaryFolder } from '../support/folder.ts'
import { testRunner } from './conformance.ts'

const folder = temporaryFolder('runners')
const workers = join(import.meta.dirname, '../workers')
const root = resolve(import.meta.dirname, '../..')
const startedFile = join(folder, 'runners.jsonl')
const started = new StartedProcesses(startedFile)

type Kind =
  | { kind: 'module'; file: string }
  | { kind: 'command'; argv: string[] }
  | { kind: 'exec'; argv: string[] }

function create(kind: Kind, options: unknown = {}, timeouts: RunnerSpec['timeouts'] = {}) {
  const environment = { PYTHONPATH: join(root, 'workers/python'), PYTHONDONTWRITEBYTECODE: '1' }
  const spec = { modelId: 'echo', options, environment, cwd: folder, timeouts, ...kind }
  return createRunner(spec, { started, logFolder: folder })
}

testRunner({
  test,
  name: 'module',
  create: (options) => create({ kind: 'module', file: join(workers, 'echo.ts') }, options),
})
testRunner({
  test,
  name: 'python',
  create: (options) => create({ kind: 'command', argv: ['python3', join(workers, 'echo.py')] }, options),
})

test('a Python worker tells what torch holds after the load, at most in a batch, and after it', async () => {
  const argv = ['python3', join(workers, 'allocating.py')]
  const instance = create({ kind: 'command', argv }).start('echo-1')
  assert.deepEqual(await instance.load(), { type: 'loaded', residentBytes: 1000, maxBatch: null })
  const run = async (input: object) => {
    const { peakBytes, residentBytes } = await instance.run({ items: [{ id: 'a', input }], timeoutMs: null })
    return [peakBytes, residentBytes]
  }
  assert.deepEqual(await run({ peak: 5000, held: 3000 }), [5000, 3000])
  assert.deepEqual(await run({ peak: 0, held: 3000 }), [3000, 3000], 'each batch has a peak of its own')
  await instance.stop()
})

test('what a module has dropped in its batches is collected, although it is too little for V8 to do so', async () => {
  const instance = create({ kind: 'module', file: join(workers, 'wasteful.mjs') }).start('wasteful-1')
  await instance.load()
  let collected: unknown = 0
  for (let batch = 0; batch < 100 && collected === 0; batch++) {
    const { answers } = await instance.run({ items: [{ id: 'a', input: 1 }], timeoutMs: null })
    collected = answers[0]!.type === 'output' ? answers[0]!.output : 'no answer'
  }
  await instance.stop()
  assert.ok((collected as number) > 0)
})

const two = [
  { id: 'a', input: 1 },
  { id: 'b', input: 2 },
]
const quick = { readyMs: 5000, loadMs: 2000, runMs: 2000, unloadMs: 300, graceMs: 300 }
const faulty = (fault: string, timeouts = quick) =>
  create({ kind: 'command', argv: ['node', join(workers, 'faulty.mjs'), fault] }, {}, timeouts).start(
    'faulty-1',
  )

/** Runs a batch of two on a worker with a fault, and stops it. */
async function runFaulty(fault: string, timeouts = quick) {
  const instance = faulty(fault, timeouts)
  const load = await instance.load()
  const batch = load.type === 'loaded' ? await instance.run({ items: two, timeoutMs: null }) : null
  await instance.stop()
  assert.equal(isGroupAlive(instance.pid!), false, 'no process of the group is left')
  return {
    load,
    batch,
    outputs: batch?.answers.map((each) => (each.type === 'output' ? each.output : each.error.message)),
  }
}

for (const [fault, code, message] of [
  ['dies while loading', 'RUNNER_EXITED', /code 3: Error: the weights are not there/],
  ['hangs while loading', 'LOAD_TIMEOUT', /longer than 300 ms to load/],
  ['is never ready', 'LOAD_TIMEOUT', /longer than 300 ms to be ready/],
  ['cannot load', 'NO_WEIGHTS', /no weights/],
  ['speaks another protocol', 'PROTOCOL', /protocol 9/],
] as const) {
  test(`a worker that ${fault} fails its load with the reason`, async () => {
    const isSlow = code === 'LOAD_TIMEOUT'
    const { load } = await runFaulty(
      fault,
      isSlow ? { ...quick, [fault.includes('ready') ? 'readyMs' : 'loadMs']: 300 } : quick,
    )
    assert.ok(load.type === 'failed')
    assert.equal(load.error.code, code)
    assert.match(load.error.message, message)
    assert.equal(load.retryable, true)
  })
}

for (const [fault, code, kept] of [
  ['dies in a batch', 'RUNNER_EXITED', ['kept']],
  ['hangs in a batch', 'RUN_TIMEOUT', []],
  ['writes broken JSON', 'PROTOCOL', []],
  ['answers for another item', 'PROTOCOL', []],
] as const) {
  test(`a worker that ${fault} is stopped, and only what it had answered stands`, async () => {
    const { batch, outputs } = await runFaulty(fault, {
      ...quick,
      runMs: fault.startsWith('hangs') ? 300 : quick.runMs,
    })
    assert.equal(batch!.failure!.code, code)
    assert.deepEqual(outputs, kept)
  })
}

for (const [fault, expected] of [
  ['chatters', [1, 2]],
  ['answers twice', [1, 2]],
  ['answers for another batch', [1, 2]],
  ['forgets one', [2, 'the worker ended the batch without an answer for this item']],
  ['fails the batch', [1, 2]],
  ['hangs in unload', [1, 2]],
  ['ignores TERM', [1, 2]],
  ['leaves a child', [1, 2]],
  ['ignores the end of stdin', [1, 2]],
] as const) {
  test(`a worker that ${fault} goes on, and is gone in the end`, async () => {
    const { batch, outputs } = await runFaulty(fault)
    assert.equal(batch!.failure, null)
    assert.deepEqual(outputs, expected)
  })
}

test('a line without an end is a violation once it is too long', async () => {
  const instance = new StdioInstance({
    instanceId: 'long-1',
    argv: ['node', join(workers, 'faulty.mjs'), 'writes an endless line'],
    cwd: folder,
    environment: {},
    logFile: join(folder, 'long-1.log'),
    answersOn: 1,
    modelOptions: {},
    timeouts: quick,
    started,
    maxLineBytes: 1000,
  })
  await instance.load()
  const { failure } = await instance.run({ items: two, timeoutMs: null })
  assert.match(failure!.message, /longer than 1000 bytes/)
  await instance.stop()
})

test('what a worker prints is kept, and no file of one that prints nothing', async () => {
  const file = join(folder, 'silent.mjs')
  writeFileSync(file, 'export function load() {}\nexport function run(inputs) { return inputs }\n')
  const silent = create({ kind: 'module', file }).start('silent-1')
  await silent.load()
  assert.equal(existsSync(join(folder, 'silent-1.log')), true)
  await silent.stop()
  assert.equal(existsSync(join(folder, 'silent-1.log')), false)
  await runFaulty('chatters')
  const log = readFileSync(join(folder, 'faulty-1.log'), 'utf8')
  assert.match(log, /says something on stderr/)
  assert.match(log, /this is no JSON/)
})

const served = 'from plimsoll_worker import serve\n'
for (const [what, argv, script, message] of [
  ['a program that does not exist', ['no-such-program'], '', /no-such-program ENOENT/],
  ['a script that does not exist', ['python3', 'nowhere.py'], '', /can't open file '.*nowhere.py'/],
  ['Python that does not parse', ['python3', 'w.py'], 'def load(:\n', /^w.py:1: SyntaxError: /],
  ['Python that imports what is not there', ['python3', 'w.py'], '\nimport nope\n', /^w.py:2: .*'nope'$/],
  [
    'Python that imports it in its load',
    ['python3', 'w.py'],
    `${served}def load(options):\n    import nope\nserve(load, None)\n`,
    /^ModuleNotFoundError: .*'nope'$/,
  ],
] as const) {
  test(`${what} fails the load for good, with the reason`, async () => {
    writeFileSync(join(folder, 'w.py'), script)
    const instance = create({ kind: 'command', argv: [...argv] }).start('none-1')
    const answer = await instance.load()
    await instance.stop()
    assert.ok(answer.type === 'failed', JSON.stringify(answer))
    assert.match(answer.error.message, message)
    assert.equal(answer.retryable, false)
  })
}

test('a command for each item answers, fails alone, is bounded in time and output', async () => {
  const script = `
    let text = ''; process.stdin.on('data', (d) => (text += d)).on('end', () => {
      const input = JSON.parse(text)
      if (input === 'fail') { console.error('first'); console.error('cannot read it'); process.exit(2) }
      if (input === 'hang') setInterval(() => {}, 1000)
      else process.stdout.write(input === 'garbage' ? 'no JSON' : JSON.stringify({ got: input }))
    })`
  const instance = create(
    { kind: 'exec', argv: ['node', '-e', script] },
    {},
    { ...quick, runMs: 1000 },
  ).start('exec-1')
  const items = ['fine', 'fail', 'hang', 'garbage'].map((input) => ({ id: input, input }))
  const { answers } = await instance.run({ items, timeoutMs: null })
  assert.deepEqual(
    answers.map((each) => (each.type === 'output' ? each.output : each.error.message)),
    [
      { got: 'fine' },
      'the command ended with code 2: cannot read it',
      'the command took longer than 1 s',
      'the command must print one JSON value; it printed no JSON',
    ],
  )
  await instance.stop()
})

test('a worker that dies for want of memory is known by its last words', async () => {
  const { batch } = await runFaulty('runs out of memory and dies')
  assert.equal(batch!.failure!.code, 'OUT_OF_MEMORY')
  assert.match(batch!.failure!.message, /ended with code 1: torch.OutOfMemoryError: CUDA out of memory/)
})

test('a worker that says so and lives on keeps its instance', async () => {
  const { batch } = await runFaulty('says that it ran out of memory')
  assert.equal(batch!.failure, null)
  assert.deepEqual(
    batch!.answers.map((each) => each.type === 'error' && each.error.code),
    ['OUT_OF_MEMORY', 'OUT_OF_MEMORY'],
  )
})

test('what libraries say when memory is out, and what they say when it is not', () => {
  const lines: [string, boolean][] = [
    ['torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB', true],
    ['HIP out of memory. Tried to allocate 1.50 GiB', true],
    ['RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)', true],
    [
      'ggml_backend_cuda_buffer_type_alloc_buffer: allocating 4096.00 MiB on device 0: cudaMalloc failed: out of memory',
      true,
    ],
    ['vk::Device::allocateMemory: ErrorOutOfDeviceMemory', true],
    ['FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory', true],
    ['RangeError: Array buffer allocation failed', true],
    ["terminate called after throwing an instance of 'std::bad_alloc'", true],
    ['OSError: [Errno 12] Cannot allocate memory', true],
    ['Failed to allocate memory for requested buffer of size 123456', true],
    ['jaxlib.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate', true],
    ['loaded 4 shards, 0 out of memory errors', false],
    ['CUDA error: an illegal memory access was encountered', false],
    ['memory usage: 4096 MB', false],
    ['cannot open shared object file: No such file or directory', false],
  ]
  for (const [line, expected] of lines) assert.equal(speaksOfMemory(`first\n${line}\nlast`), expected, line)
})

test('a child in a group of its own ends with its instance', async () => {
  const instance = faulty('leaves a stray')
  await instance.load()
  const log = readFileSync(join(folder, 'faulty-1.log'), 'utf8')
  const stray = Number(/stray (\d+)/.exec(log)![1])
  assert.equal(isGroupAlive(stray), true)
  await instance.stop()
  assert.equal(isGroupAlive(stray), false)
})

test('two batches on one instance keep their answers apart', async () => {
  const instance = faulty('takes its time')
  await instance.load()
  const run = (id: string) => instance.run({ items: [{ id, input: id }], timeoutMs: 5000 })
  const answers = await Promise.all(['a', 'b', 'c'].map(run))
  await instance.stop()
  assert.deepEqual(
    answers.map(({ answers, failure }) => [answers[0]!.type === 'output' && answers[0]!.output, failure]),
    [
      ['a', null],
      ['b', null],
      ['c', null],
    ],
  )
})

test('a worker that is killed although the kernel had memory has not run out of it', async () => {
  const instance = faulty('hangs in a batch')
  await instance.load()
  const running = instance.run({ items: two, timeoutMs: null })
  process.kill(-instance.pid!, 'SIGKILL')
  assert.equal((await running).failure!.code, 'RUNNER_EXITED')
  await instance.stop()
})

/** A parent that starts a worker, tells its pid, and waits to be killed. */
function parentOf(fault: string) {
  const script = `
    import { createRunner } from '${root}/src/runners/create.ts'
    import { StartedProcesses } from '${root}/src/runners/started.ts'
    const runner = createRunner({ kind: 'command', argv: ['node', '${workers}/faulty.mjs', ${JSON.stringify(fault)}], modelId: 'm', options: {}, environment: {}, cwd: '.', timeouts: {} },
      { started: new StartedProcesses('${folder}/left.jsonl'), logFolder: '${folder}' })
    const instance = runner.start('left-1')
    await instance.load()
    console.log(instance.pid)
    setInterval(() => {}, 1000)`
  return spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

async function killParent(fault: string): Promise<number> {
  const parent = parentOf(fault)
  const [line] = await once(parent.stdout!, 'data')
  parent.kill('SIGKILL')
  await once(parent, 'exit')
  return Number(String(line).trim())
}

test('a worker ends by itself when its parent is killed', async () => {
  const pid = await killParent('nothing')
  while (isGroupAlive(pid)) await new Promise((wake) => setTimeout(wake, 20))
  assert.equal((await reapLeftovers(join(folder, 'left.jsonl'))).foundCount, 0)
})

test('the next start ends a worker that a killed parent left, and forgets it', async () => {
  const pid = await killParent('ignores the end of stdin')
  assert.equal(isGroupAlive(pid), true)
  assert.equal((await reapLeftovers(join(folder, 'left.jsonl'))).foundCount, 1)
  assert.equal(isGroupAlive(pid), false)
  assert.equal(existsSync(join(folder, 'left.jsonl')), false)
})

test('the next start ends children whose leader has died', async () => {
  const pid = await killParent('leaves a child')
  while (existsSync(`/proc/${pid}`)) await new Promise((wake) => setTimeout(wake, 20))
  assert.equal(isGroupAlive(pid), true, 'the child is still there')
  assert.equal((await reapLeftovers(join(folder, 'left.jsonl'))).foundCount, 1)
  assert.equal(isGroupAlive(pid), false)
})

test('a process that only has the number of one of ours is left alone', async () => {
  const file = join(folder, 'other.jsonl')
  const other = spawn('sleep', ['60'], { detached: true })
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  writeFileSync(
    file,
    `${JSON.stringify({ pid: other.pid, startTime: '1', boot, instanceId: 'x' })}\n{"pid":${other.pid},"sta`,
  )
  assert.equal((await reapLeftovers(file)).foundCount, 0)
  assert.equal(isGroupAlive(other.pid!), true)
  other.kill()
})

test("what shows a worker its device goes before the model's own variables", async () => {
  const spec: RunnerSpec = {
    modelId: 'm',
    kind: 'exec',
    argv: [
      'node',
      '-e',
      'const { CUDA_VISIBLE_DEVICES: a, OWN: b } = process.env; console.log(JSON.stringify(a + b))',
    ],
    options: {},
    environment: { CUDA_VISIBLE_DEVICES: 'GPU-9', OWN: 'kept' },
    cwd: folder,
    timeouts: {},
  }
  const runner = createRunner(spec, { started, logFolder: folder })
  const outputOf = async (ofDevice?: Record<string, string>) => {
    const instance = runner.start('env-1', ofDevice)
    const { answers } = await instance.run({ items: [{ id: 'a', input: null }], timeoutMs: null })
    await instance.stop()
    const [answer] = answers
    return answer?.type === 'output' ? answer.output : answer
  }
  assert.equal(await outputOf(), 'GPU-9kept')
  assert.equal(await outputOf({ CUDA_VISIBLE_DEVICES: 'GPU-1' }), 'GPU-1kept')
})
