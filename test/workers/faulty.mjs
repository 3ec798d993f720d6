// A worker that speaks the contract and breaks it as it is told: argv[2] names the fault.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

const fault = process.argv[2]
const say = (message) =>
  process.stdout.write(`${typeof message === 'string' ? message : JSON.stringify(message)}\n`)
const forever = () => new Promise(() => setInterval(() => {}, 1000))

if (fault === 'ignores TERM') process.on('SIGTERM', () => {})
if (fault === 'leaves a child') {
  // It ignores TERM and outlives its parent, in the same group.
  spawn(process.execPath, ['-e', "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)"], {
    stdio: 'ignore',
  })
}
if (fault === 'leaves a stray') {
  // In a group and a session of its own: no signal to our group reaches it.
  const stray = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], {
    stdio: 'ignore',
    detached: true,
  })
  console.error(`stray ${stray.pid}`)
}
if (fault === 'is never ready') await forever()
console.error('the worker says something on stderr')
if (fault === 'chatters') say('hello, this is no JSON')
say({ type: 'ready', protocol: fault === 'speaks another protocol' ? 9 : 1 })

async function load({ id, options }) {
  if (fault === 'dies while loading') {
    console.error('Error: the weights are not there')
    process.exit(3)
  }
  if (fault === 'hangs while loading') await forever()
  if (fault === 'cannot load')
    return say({ type: 'error', id, error: { message: 'no weights', code: 'NO_WEIGHTS' } })
  say({ type: 'loaded', id, residentBytes: 1000, maxBatch: options.maxBatch })
}

async function run({ id, items }) {
  const [first] = items
  if (fault === 'dies in a batch') {
    say({ type: 'result', id, item: first.id, output: 'kept' })
    await new Promise((wake) => process.stdout.write('', wake))
    process.exit(4)
  }
  if (fault === 'runs out of memory and dies') {
    console.error('torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.')
    console.error('a last line about something else')
    process.exit(1)
  }
  if (fault === 'says that it ran out of memory')
    return say({ type: 'error', id, error: { message: 'RuntimeError: CUDA error: out of memory' } })
  if (fault === 'takes its time') await new Promise((wake) => setTimeout(wake, 50))
  if (fault === 'hangs in a batch') await forever()
  if (fault === 'writes broken JSON') return say('{"type":"result", "id":')
  if (fault === 'writes an endless line') return process.stdout.write(`{"type":"${'x'.repeat(100_000)}`)
  if (fault === 'answers for another item') say({ type: 'result', id, item: 'nobody', output: 1 })
  if (fault === 'answers for another batch')
    say({ type: 'result', id: 'batch-0', item: first.id, output: 'wrong' })
  for (const { id: item, input } of items) {
    if (fault === 'forgets one' && item === first.id) continue
    if (input === 'bad') say({ type: 'result', id, item, error: { message: 'cannot', retryable: false } })
    else say({ type: 'result', id, item, output: input })
    if (fault === 'answers twice') say({ type: 'result', id, item, output: 'second' })
  }
  if (fault === 'fails the batch') return say({ type: 'error', id, error: { message: 'all of it' } })
  say({ type: 'done', id, peakBytes: 2000 })
}

async function unload({ id }) {
  if (fault === 'hangs in unload') await forever()
  say({ type: 'unloaded', id })
}

const lines = createInterface({ input: process.stdin })
if (fault !== 'ignores the end of stdin') lines.on('close', () => process.exit(0))
else setInterval(() => {}, 1000)
for await (const line of lines) {
  const message = JSON.parse(line)
  const work = { load, run, unload }[message.type](message)
  if (fault !== 'takes its time') await work
}
