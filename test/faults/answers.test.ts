// What workers answer, and what stands around it, in kinds that people have met: values that JSON does not
// say, signs that others take for the end of a line, prints, children and encodings. Node and Python alike.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { plimsollWith } from '../support/command.ts'
import { temporaryFolder } from '../support/folder.ts'

const python = resolve(import.meta.dirname, '../../workers/python')
const noPython = spawnSync('python3', ['--version']).status === 0 ? false : 'there is no python3 here'

interface Run {
  steps: Record<string, unknown>
  failed: Record<string, string>
}

/** Runs a worker over a list; answers with what became of each record, in their order, and with all that was
 * printed. */
function run(model: string, worker: string, list: unknown[], env: Record<string, string> = {}) {
  const folder = temporaryFolder('answers')
  writeFileSync(join(folder, 'worker'), worker)
  for (const end of ['mjs', 'py']) writeFileSync(join(folder, `worker.${end}`), worker)
  writeFileSync(
    join(folder, 'p.yaml'),
    `name: p
gpus: [{ name: ram, kind: host, memory: 1GB }]
models: { m: { ${model}, timeouts: { ready: 10s, run: 10s } } }
sources: { s: { list: ${JSON.stringify(list)} } }
steps: { go: { source: s, model: m, retries: 1 } }
`,
  )
  const { all } = plimsollWith({ PYTHONPATH: python, ...env }, folder, 'run', 'p.yaml', '--json')
  const lines = readFileSync(join(folder, '.plimsoll/p.results.jsonl'), 'utf8').trim().split('\n')
  const runs = lines.map((line): Run => ({ steps: {}, failed: {}, ...JSON.parse(line) }))
  return {
    outputs: runs.map(({ steps, failed }) => steps.go ?? failed.go),
    all,
    summary: JSON.parse(all.trim().split('\n').at(-1)!),
  }
}

const node = (body: string) =>
  run.bind(
    null,
    'module: worker.mjs, vram: 100MB',
    `export async function load() {}\nexport const run = (inputs) => inputs.map((each) => { ${body} })\n`,
  )
const py = (body: string, before = '') =>
  run.bind(
    null,
    'command: [python3, worker.py], vram: 100MB',
    `${before}
from plimsoll_worker import serve
def answer(each):
${body.replace(/^/gm, '    ')}
serve(lambda options: None, lambda inputs, model: [answer(each) for each in inputs])
`,
  )

test('what JSON cannot say fails its item alone, once, by name and place, from Node', () => {
  const { outputs, summary } = node(`return ({
    nan: { a: [1, NaN] }, infinite: -Infinity, map: new Map(), big: 2n ** 60n, f: () => 1,
    circle: (() => { const o = {}; o.self = o; return o })(),
    typed: { v: new Float32Array([1, 2.5]), b: Buffer.from([1, 2]) }, small: 7n, none: undefined, date: new Date(0),
  })[each]`)(['nan', 'infinite', 'map', 'big', 'f', 'circle', 'typed', 'small', 'none', 'date'])
  const [nan, infinite, map, big, f, circle, ...good] = outputs as string[]
  assert.match(nan!, /JSON cannot say output\.a\[1\]: it is NaN/)
  assert.match(infinite!, /output: it is -Infinity/)
  assert.match(map!, /output: it is a Map/)
  assert.match(big!, /1152921504606846976n/)
  assert.match(f!, /it is a function/)
  assert.match(circle!, /circular/)
  assert.deepEqual(good, [{ v: [1, 2.5], b: [1, 2] }, 7, undefined, '1970-01-01T00:00:00.000Z'])
  assert.equal(summary.items, 10, 'no item was run again')
})

test('the same from Python, with what its libraries give', { skip: noPython }, () => {
  const before = `
import dataclasses, datetime, pathlib
@dataclasses.dataclass
class Box:
    path: pathlib.Path
    day: datetime.date
class Array:
    def tolist(self):
        return [1, 2]
`
  const { outputs } = py(
    `return {"nan": float("nan"), "set": {1}, "bytes": b"x", "box": Box(pathlib.Path("a/b"), datetime.date(2026, 1, 2)), "array": Array()}[each]`,
    before,
  )(['nan', 'set', 'bytes', 'box', 'array'])
  const [nan, set, bytes, ...good] = outputs as string[]
  assert.match(nan!, /Out of range float/)
  assert.match(set!, /JSON cannot say a set/)
  assert.match(bytes!, /JSON cannot say a bytes/)
  assert.deepEqual(good, [{ path: 'a/b', day: '2026-01-02' }, [1, 2]])
})

for (const [language, worker] of [
  [
    'Node',
    node(
      `return { deep: JSON.parse('['.repeat(700) + ']'.repeat(700)), text: '9007199254740993 1e999' }[each] ?? 1`,
    ),
  ],
  [
    'Python',
    py(`if each == "deep":
    value = []
    for _ in range(700):
        value = [value]
    return value
return {"big": 9007199254740993, "exact": 2 ** 60, "text": "9007199254740993 1e999"}.get(each, 1)`),
  ],
] as const) {
  test(`what cannot be kept as it is fails its item alone: ${language}`, {
    skip: language === 'Python' && noPython,
  }, () => {
    const { outputs } = worker(['deep', 'text', ...(language === 'Python' ? ['big', 'exact'] : []), 'plain'])
    assert.match(outputs[0] as string, /the output is nested more than 500 deep/)
    assert.equal(outputs[1], '9007199254740993 1e999')
    if (language === 'Python') {
      assert.match(outputs[2] as string, /the number 9007199254740993, which cannot be kept/)
      assert.equal(outputs[3], 2 ** 60)
    }
    assert.equal(outputs.at(-1), 1)
  })

  const signs = 'a\u2028b\u2029c\u0085d\rdone\x0b\x0c\x1ee 日本 Müller'
  test(`texts come and go whole, whatever their signs: ${language}`, {
    skip: language === 'Python' && noPython,
  }, () => {
    const echo = language === 'Node' ? node('return each') : py('return each')
    for (const env of [undefined, { LC_ALL: 'C', PYTHONIOENCODING: 'latin-1' }])
      assert.deepEqual(echo([signs, { [signs]: signs }], env).outputs, [signs, { [signs]: signs }])
  })
}

test('prints, a child that reads and a banner without a line end disturb no answer', {
  skip: noPython,
}, () => {
  const before = 'import sys, subprocess\nsys.stdout.write("loading ...")\nsys.stdout.flush()'
  const body = `print("half", end="")
print("日本 \\udc80")
subprocess.run(["sh", "-c", "cat; printf child"])
return sys.stdin.read()`
  const { outputs, summary } = py(body, before)([1, 2, 3])
  assert.deepEqual(outputs, ['', '', ''])
  assert.deepEqual([summary.loads, summary.items], [1, 3])
})

test('an answer behind a print without a line end counts, and the log says so', { skip: noPython }, () => {
  const worker = `import json, sys
sys.stdout.write('\\ufeffversion 1 ')
for reply in [{"type": "ready", "protocol": 1}]:
    print(json.dumps(reply, separators=(",", ":")), flush=True)
for line in sys.stdin:
    m = json.loads(line)
    if m["type"] == "run":
        for i in m["items"]:
            print(json.dumps({"type": "result", "id": m["id"], "item": i["id"], "output": i["input"], "error": None}, separators=(",", ":")))
    print(json.dumps({"type": {"load": "loaded", "run": "done", "unload": "unloaded"}[m["type"]], "id": m["id"]}, separators=(",", ":")), flush=True)
`
  const { outputs, summary } = run('command: [python3, worker.py], vram: 100MB', worker, [1, 2])
  assert.deepEqual(outputs, [1, 2])
  assert.equal(summary.loads, 1)
})

test('a command that leaves a child with its pipe open has ended', () => {
  const { outputs } = run('exec: [sh, -c, "setsid sleep 300 & sleep 0.1; echo 1"]', '', [1])
  assert.deepEqual(outputs, [1])
})

test('an output that is no JSON is not asked for again', () => {
  const { outputs, summary } = run('exec: [sh, -c, "echo {"]', '', [1])
  assert.match(outputs[0] as string, /must print one JSON value; it printed \{/)
  assert.equal(summary.items, 1)
})
