// Two pipelines in one database, with the same names of steps and models: each run
// works on its own items, and leaves those of the other as they are.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openSqliteReader } from '../src/stores/sqlite/store.ts'
import { allBriefs } from '../src/stores/store.ts'
import { journaled, plimsoll, startPlimsoll } from './support/command.ts'
import { project } from './support/project.ts'

const models = '  echo: { module: echo.js, vram: 200MB, loadTime: 100ms, batch: { max: 1 } }\n'
const steps = `  say: { source: texts, model: echo, input: { name: "\${source.name}" } }
  again: { source: texts, model: echo, needs: [say], input: { name: "\${say.name}", said: "\${say.by}" } }
`

/** Answers with its input and who it is; as long as there is a file `hold` it ends no batch. */
const workerOf = (name: string) => `import { existsSync } from 'node:fs'
export async function load() {}
export async function run(inputs) {
  while (existsSync('hold')) await new Promise((wake) => setTimeout(wake, 20))
  return inputs.map((input) => ({ ...input, by: '${name}' }))
}
`

interface Both {
  folder: string
  /** Runs one of them to its end. */
  run: (name: 'first' | 'second') => ReturnType<typeof plimsoll>
  /** The states of one's items, with their number. */
  states: (name: 'first' | 'second') => Promise<Record<string, number>>
}

function both(): Both {
  const folder = project({ models, steps, worker: workerOf('first') })
  const text = readFileSync(join(folder, 'pipeline.yaml'), 'utf8')
  writeFileSync(join(folder, 'other.js'), workerOf('second'))
  writeFileSync(join(folder, 'first.yaml'), text.replace('name: small', 'name: first'))
  writeFileSync(
    join(folder, 'second.yaml'),
    text.replace('name: small', 'name: second').replace('echo.js', 'other.js'),
  )
  return {
    folder,
    run: (name) => plimsoll(folder, ...argumentsOf(name)),
    async states(name) {
      const store = await openSqliteReader(join(folder, '.plimsoll/small.db'))
      const briefs = await allBriefs(store, { pipeline: name }).finally(() => store.close())
      const counts: Record<string, number> = {}
      for (const { state } of briefs) counts[state] = (counts[state] ?? 0) + 1
      return counts
    },
  }
}

function argumentsOf(name: string): string[] {
  return ['run', `${name}.yaml`, '--db', '.plimsoll/small.db', '--out', `${name}.jsonl`, '--json']
}

/** Starts one, and kills it while a batch runs. */
async function killed(context: TestContext, { folder }: Both, name: string): Promise<void> {
  writeFileSync(join(folder, 'hold'), '')
  const child = startPlimsoll(context, folder, ...argumentsOf(name))
  await journaled(child, folder, new RegExp(`"pipeline":"${name}".*batch-claimed`, 's'))
  child.kill('SIGKILL')
  await once(child, 'exit')
  rmSync(join(folder, 'hold'))
}

async function assertDone({ folder, states }: Both, name: 'first' | 'second'): Promise<void> {
  assert.deepEqual(await states(name), { done: 6 })
  const results = readFileSync(join(folder, `${name}.jsonl`), 'utf8')
    .trim()
    .split('\n')
  assert.equal(results.length, 3)
  for (const line of results) {
    const { say, again } = JSON.parse(line).steps
    assert.deepEqual([say.by, again.said, again.by], [name, name, name])
  }
}

for (const [one, other] of [
  ['first', 'second'],
  ['second', 'first'],
] as const) {
  test(`${one} is killed, ${other} runs, and ${one} goes on: each has its own results`, async (context) => {
    const project = both()
    await killed(context, project, one)
    const done = project.run(other)
    assert.equal(done.status, 0, done.stdout + done.stderr)
    await assertDone(project, other)
    assert.deepEqual(await project.states(one), { ready: 3, blocked: 3 }, 'they wait, and are not cancelled')
    const goesOn = project.run(one)
    assert.equal(goesOn.status, 0, goesOn.stdout + goesOn.stderr)
    await assertDone(project, one)
    await assertDone(project, other)
    assert.equal(JSON.parse(project.run(other).stdout).openCount, 0)
  })
}

test('a pipeline that is renamed goes on with its items, also under a name that another had before', async (context) => {
  const project = both()
  await killed(context, project, 'first')
  const text = readFileSync(join(project.folder, 'first.yaml'), 'utf8')
  writeFileSync(join(project.folder, 'second.yaml'), text.replace('name: first', 'name: second'))
  const done = project.run('second')
  assert.equal(done.status, 0, done.stdout + done.stderr)
  assert.deepEqual(await project.states('second'), { done: 6 })
  assert.deepEqual(await project.states('first'), {})
})
