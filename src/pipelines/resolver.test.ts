// What a released item does, asked of the resolver alone: run, skip, fail, expand and
// finish, and the scope of each.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type NewItem, newItem } from '../core/work/item.ts'
import { askResolver, type ResolvedParent } from '../core/work/resolver.ts'
import { expandPipeline } from './expand.ts'
import { definePipeline } from './pipeline.ts'
import type { PipelineFile } from './pipeline-file.ts'
import { gatherResults } from './report.ts'
import { pipelineResolver } from './resolver.ts'

type Steps = PipelineFile['steps']

const definition = {
  name: 'p',
  gpus: [{ name: 'g', kind: 'host' as const, memory: '1GB' }],
  models: { m: { exec: 'wc' } },
  sources: { s: { list: [{ id: 'one', n: 3 }] } },
}

/** The item of the step, whatever its model, and the outputs of other items. */
function resolve(steps: Steps, name: string, parents: ResolvedParent[] = []) {
  const pipeline = definePipeline({ ...definition, steps })
  const item = expandPipeline(pipeline).find(({ step }) => step === name)!
  return askResolver(pipelineResolver(pipeline), item, parents)
}

function parent(
  step: string | null,
  output: unknown,
  state: ResolvedParent['state'] = 'done',
): ResolvedParent {
  return {
    id: `${step} ${JSON.stringify(output)}`,
    modelId: 'm',
    step,
    sourceId: 'one',
    source: { n: 3 },
    state,
    output,
  }
}

const a = { source: 's', model: 'm' }

test('the input is the record, unless it is written', () => {
  assert.deepEqual(resolve({ a }, 'a'), { type: 'run', input: { id: 'one', n: 3 } })
  assert.deepEqual(resolve({ a: { ...a, input: null } }, 'a'), { type: 'run', input: null })
  assert.deepEqual(resolve({ a: { ...a, input: 'n is ${source.n}' } }, 'a'), { type: 'run', input: 'n is 3' })
})

test('a false condition skips, and one that is neither true nor false fails with what it gave', () => {
  assert.deepEqual(resolve({ a: { ...a, when: '${source.n > 3}' } }, 'a'), {
    type: 'skip',
    reason: 'its condition is false',
  })
  assert.deepEqual(resolve({ a: { ...a, when: '${source.n}' } }, 'a'), {
    type: 'fail',
    error: { code: 'BAD_EXPRESSION', message: 'A condition must give true or false; it gave 3.' },
  })
})

const fanOut = (change: object): Steps => ({ a, b: { ...a, forEach: '${a}', ...change } })

function childrenOf(change: object, list: unknown): NewItem[] {
  const resolution = resolve(fanOut(change), 'b', [parent('a', list)])
  assert.ok(resolution?.type === 'expand', JSON.stringify(resolution))
  return resolution.items
}

test('fan-out makes a child of each element that the condition picks, with its input made', () => {
  const inputs = (change: object, list: unknown) => childrenOf(change, list).map(({ input }) => input)
  assert.deepEqual(inputs({}, ['x', 'y']), ['x', 'y'], 'the element by itself')
  assert.deepEqual(inputs({ input: { of: '${source.n}', is: '${each}' } }, ['x']), [{ of: 3, is: 'x' }])
  assert.deepEqual(inputs({ when: '${each > 1}' }, [1, 2, 3]), [2, 3])
  assert.deepEqual(inputs({}, []), [])
  const children = childrenOf({ priority: 4, retries: 0 }, ['x', 'x'])
  assert.equal(new Set(children.map(({ id }) => id)).size, 2, 'equal elements are different items')
  assert.deepEqual(
    children.map(({ step, priority, maxAttempts }) => ({ step, priority, maxAttempts })),
    [1, 2].map(() => ({ step: null, priority: 4, maxAttempts: 1 })),
    'children are not shown to the resolver',
  )
  assert.deepEqual(childrenOf({}, ['x', 'y']), childrenOf({}, ['x', 'y']))
})

test('a condition without each decides about the whole fan-out', () => {
  const resolution = resolve(fanOut({ when: '${size(a) > 2}' }), 'b', [parent('a', [1])])
  assert.equal(resolution?.type, 'skip')
})

test('when the children have ended the fan-out is the list of their outputs, in order', () => {
  const ended = [
    parent('a', [1, 2]),
    parent(null, 'first'),
    parent(null, null, 'failed'),
    parent(null, 'last'),
  ]
  assert.deepEqual(resolve(fanOut({}), 'b', ended), { type: 'finish', output: ['first', null, 'last'] })
})

test('fan-out over no list, or over too long a list, fails with a sentence', () => {
  const messageOf = (list: unknown) => {
    const resolution = resolve(fanOut({}), 'b', [parent('a', list)])
    return resolution?.type === 'fail' ? resolution.error.message : JSON.stringify(resolution)
  }
  assert.equal(messageOf({ x: 1 }), 'forEach of "b" must give a list; it gave {"x":1}.')
  assert.equal(messageOf(null), 'forEach of "b" must give a list; it gave null.')
  assert.match(messageOf(Array(100_001).fill(0)), /gave 100001 elements; at most 100000 are allowed/)
})

test('a gathering step sees lists of { source, output }, and the output of another gathering step', () => {
  const steps: Steps = {
    a,
    all: { gather: true, model: 'm', input: '${a}' },
    both: { gather: true, model: 'm', input: { lists: '${a}', whole: '${all}' } },
  }
  const parents = [parent('a', 1), parent('a', null, 'failed'), parent('all', { sum: 1 })]
  assert.deepEqual(resolve(steps, 'both', parents), {
    type: 'run',
    input: {
      lists: [
        { source: { n: 3 }, output: 1 },
        { source: { n: 3 }, output: null },
      ],
      whole: { sum: 1 },
    },
  })
})

test('an item of a step that the file no longer has fails by itself', () => {
  const pipeline = definePipeline({ ...definition, steps: { a } })
  const item = newItem({ id: 'x', modelId: 'm', step: 'gone' })
  const resolution = askResolver(pipelineResolver(pipeline), item, [])
  assert.deepEqual(resolution, {
    type: 'fail',
    error: { code: 'BAD_PIPELINE', message: 'the pipeline no longer has a step "gone"' },
  })
})

test('equal records without an id are different items and different results', () => {
  const sources = { s: { list: ['same', 'same'] } }
  const pipeline = definePipeline({ ...definition, sources, steps: { a } })
  const items = expandPipeline(pipeline).map((item, index) => ({
    ...item,
    sequence: index + 1,
    state: 'done' as const,
    parentId: null,
    output: index,
    error: null,
    attempt: 1,
    submittedAtMs: 0,
    readyAtMs: 0,
    startedAtMs: 0,
    endedAtMs: 0,
    effectivePriority: 0,
    latestEndAtMs: null,
  }))
  assert.deepEqual(
    gatherResults(pipeline, items).map(({ sourceId, steps }) => [sourceId, steps.a]),
    [
      ['s-1', 0],
      ['s-2', 1],
    ],
  )
})
