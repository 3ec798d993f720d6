// `plimsoll simulate --from RUN`: a real run, and then the same work under another policy, budget or card.
import assert from 'node:assert/strict'
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { journaled, plimsoll, startPlimsoll } from '../../test/support/command.ts'
import { project, ranProject } from '../../test/support/project.ts'

const models = `  first: { module: echo.js, vram: 300MB, loadTime: 100ms, batch: { max: 2 } }
  second: { module: echo.js, vram: 200MB, loadTime: 100ms, batch: { max: 2 } }
`
const steps = `  main: { source: texts, model: first, input: { name: "\${source.name}" } }
  next: { source: texts, model: second, when: "\${source.name != 'two.txt'}", input: "\${main}" }
`
const db = '.plimsoll/small.db'
const record = '.plimsoll/small.journal.jsonl'
let folder: string

before(() => {
  folder = ranProject({ models, steps })
})

function replay(...args: string[]) {
  const { status, stdout, stderr } = plimsoll(folder, 'simulate', '--from', db, '--json', ...args)
  assert.equal(status, 0, stderr + stdout)
  return JSON.parse(stdout)
}

test('runs what ran, on the card and by the policy of the run, beside its own figures', () => {
  const result = replay()
  assert.deepEqual(
    [result.policy, result.items, result.completed, result.loads, result.violations],
    ['plimsoll', 5, 5, 2, 0],
  )
  const { wallMs } = JSON.parse(plimsoll(folder, 'run', 'pipeline.yaml', '--json').stdout)
  assert.ok(result.recorded.makespanMs > 0 && result.recorded.makespanMs <= wallMs)
  assert.deepEqual([result.recorded.loads, result.recorded.evictions], [2, 0])
  const { peakBytes } = result
  assert.ok(peakBytes >= 500e6 && peakBytes < 510e6, `${peakBytes}: both are there at once`)
})

test('goes by the times that were measured, and not by those that are declared', () => {
  const { makespanMs } = replay()
  const lines = readFileSync(join(folder, record), 'utf8').trim().split('\n')
  const events = lines.filter((line) => line !== '').map((line) => JSON.parse(line))
  const times = (type: string, key: string) =>
    events.filter((each) => each.type === type).map((each) => each[key])
  const loads = times('load-finished', 'loadMs')
  const allMs = [...loads, ...times('batch-finished', 'runMs')].reduce((sum, ms) => sum + ms, 0)
  assert.ok(makespanMs >= Math.min(...loads), 'a load took that long')
  assert.ok(makespanMs <= allMs + events.length, 'as declared it would take longer')
})

test('another card, a smaller budget, another policy and its options change what is loaded', () => {
  const small = replay('--gpu', '400MB', '--safety', '1')
  assert.deepEqual([small.completed, small.peakBytes <= 400e6], [5, true])
  assert.ok(small.evictions > 0, 'both have no room')
  assert.equal(replay('--gpu', '2x400MB').evictions, 0)
  assert.ok(replay('--safety', '0.4').evictions > 0, 'nor on the same card with less of it')
  const seed = replay('--policy', 'seed', '--gpu', '400MB')
  assert.equal(seed.policy, 'seed')
  assert.equal(replay('--set', 'policy.goal=throughput').completed, 5)
})

test('without --json it shows both, and draws a picture', () => {
  const { status, stdout } = plimsoll(folder, 'simulate', '--from', db)
  assert.equal(status, 0)
  assert.match(stdout, /items completed +│ 5 of 5/)
  assert.match(stdout, /the run itself: .*, 2 loads, 0 evictions/)
  assert.ok(existsSync(join(folder, '.plimsoll/simulate-small.svg')))
})

const wrong: [string, string[], RegExp][] = [
  ['a database that is not there', ['--from', 'nowhere.db'], /There is no database "nowhere\.db"/],
  [
    'a file that is no database',
    ['--from', 'pipeline.yaml'],
    /pipeline\.yaml cannot be used: .*not a database.*--db/,
  ],
  [
    'a policy that nobody knows',
    ['--from', db, '--policy', 'best'],
    /--policy "best" is not known\. Policies: plimsoll, /,
  ],
  ['an option that no policy has', ['--from', db, '--set', 'policy.hysteria=2'], /hysteria.*hysteresis/],
  [
    'an option without a section',
    ['--from', db, '--set', 'maxWait=2s'],
    /--set maxWait=2s .*policy\.KEY=VALUE/,
  ],
  [
    'a size without a known unit',
    ['--from', db, '--gpu', '16 apples'],
    /"16 apples" is not a size such as 4\.5GB/,
  ],
  [
    'a card of nothing',
    ['--from', db, '--gpu', '0GB'],
    /--gpu 0GB is a card of 0 B; give its memory with a unit/,
  ],
  ['no cards at all', ['--from', db, '--gpu', '0x16GB'], /--gpu 0x16GB: give from 1 to 1000 cards/],
  [
    'a card that is too small',
    ['--from', db, '--gpu', '200MB'],
    /"first" needs 300 MB; the largest device offers 180 MB/,
  ],
  [
    'a share above one',
    ['--from', db, '--gpu', '1GB', '--safety', '1.5'],
    /--safety is "1\.5"; .* from 0\.01 to 1/,
  ],
  ['a folder and a run', ['texts', '--from', db], /Name a workload folder, or a recorded run/],
  ['nothing', [], /Name a workload folder, or a recorded run/],
]

for (const [what, args, message] of wrong) {
  test(`refuses ${what} with a sentence and code 2`, () => {
    const { status, stdout, stderr } = plimsoll(folder, 'simulate', ...args)
    assert.equal(status, 2, stdout + stderr)
    assert.match(stderr, message)
    assert.doesNotMatch(stderr, /\n\s+at /, 'no stack')
  })
}

test('reads over lines that are no record, and refuses a record without a run or with nothing that ran', () => {
  const good = readFileSync(join(folder, record))
  const { makespanMs } = replay()
  appendFileSync(
    join(folder, record),
    'garbage\n{"type":"command-issued","atMs":1}\n{"a":1}\n{"type":"load-fin',
  )
  assert.equal(replay().makespanMs, makespanMs)
  const refused = (message: RegExp) => {
    const { status, stderr } = plimsoll(folder, 'simulate', '--from', db)
    assert.equal(status, 2, stderr)
    assert.match(stderr, message)
  }
  writeFileSync(join(folder, record), 'This is a letter to my aunt.\n')
  refused(/small\.journal\.jsonl holds no run/)
  rmSync(join(folder, record))
  refused(/small\.journal\.jsonl is missing: the run of .* was not recorded/)
  writeFileSync(join(folder, record), good)
})

test('refuses a run of which nothing has run yet', async (test) => {
  const worker =
    'export const load = () => new Promise(() => setInterval(() => {}, 1000))\nexport const run = () => []\n'
  const other = project({ models, steps, worker })
  const run = startPlimsoll(test, other, 'run', 'pipeline.yaml')
  await journaled(run, other, /"start-load"/)
  const { status, stderr } = plimsoll(other, 'simulate', '--from', db)
  assert.equal(status, 2, stderr)
  assert.match(stderr, /No item of .* has run yet\. `plimsoll run PIPELINE` runs it/)
})
