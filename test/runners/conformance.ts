// What every runner must do, for the authors of another: `testRunner({ test, name, create })`. Its worker
// answers an input with itself, fails the input "bad" alone, and cannot load with the option `fail`.
import assert from 'node:assert/strict'
import { isGroupAlive } from '../../src/runners/owned.ts'
import type { Instance, Runner } from '../../src/runners/runner.ts'

export interface RunnerUnderTest {
  test: (title: string, body: () => Promise<void>) => unknown
  name: string
  create: (options: { fail?: boolean }) => Runner
}

export function testRunner({ test, name, create }: RunnerUnderTest): void {
  const check = (title: string, body: (instance: Instance) => Promise<void>, options = {}) =>
    test(`${name}: ${title}`, async () => {
      const instance = create(options).start('echo-1')
      try {
        await body(instance)
      } finally {
        await instance.stop()
        if (instance.pid !== null) assert.equal(isGroupAlive(instance.pid), false, 'no process is left')
      }
    })

  check('loads, answers batches item by item, and is gone when stopped', runsBatches)

  check('tells why a load failed', async (instance) => {
    const answer = await instance.load()
    assert.ok(answer.type === 'failed' && /no weights/.test(answer.error.message), JSON.stringify(answer))
  }, { fail: true }) // biome-ignore format: the option belongs to the title

  check('can be stopped in the middle of a load', async (instance) => {
    const loading = instance.load()
    await instance.stop()
    assert.equal((await loading).type, 'failed')
  })
}

async function runsBatches(instance: Instance): Promise<void> {
  assert.equal((await instance.load()).type, 'loaded')
  const heard: string[] = []
  const items = [1, 'bad', { deep: [null, 'ä'] }].map((input, index) => ({ id: `i${index}`, input }))
  const { answers, failure } = await instance.run({
    items,
    timeoutMs: 10_000,
    onAnswer: ({ id }) => heard.push(id),
  })
  assert.equal(failure, null)
  assert.deepEqual(
    answers.map((each) => (each.type === 'output' ? each.output : each.error.message.includes('cannot'))),
    [1, true, { deep: [null, 'ä'] }],
  )
  assert.deepEqual(heard, ['i0', 'i1', 'i2'])
  const again = await instance.run({ items: [{ id: 'i3', input: 'x'.repeat(1e6) }], timeoutMs: 10_000 })
  assert.equal((again.answers[0] as { output: string }).output.length, 1e6)
  const [first, second] = await Promise.all([instance.stop(), instance.stop()])
  assert.deepEqual(first, second)
  assert.deepEqual(await instance.exited, first)
}
