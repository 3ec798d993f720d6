// examples/video without a GPU: its Python compiles, its workers keep the runner contract
// with the model calls left out (PLIMSOLL_DRY=1, workers/dry.py), its ffmpeg steps do
// their work where ffmpeg is, and say that it is missing where not. Python runs with -S,
// the standard library alone, so that a dry worker which imports torch is found anywhere.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { mediaModels } from '../src/core/model.ts'
import { readPipeline } from '../src/pipelines/pipeline.ts'
import type { FromWorker, ToWorker } from '../src/runners/protocol.ts'
import { temporaryFolder } from './support/folder.ts'

const example = fileURLToPath(new URL('../examples/video', import.meta.url))
const pipeline = readPipeline(join(example, 'pipeline.yaml'))
const folder = temporaryFolder('video')

const python = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], {
  encoding: 'utf8',
}).stdout?.trim()
const hasFfmpeg = ['ffmpeg', 'ffprobe'].every((program) => spawnSync(program, ['-version']).status === 0)
const needsPython = { skip: python ? false : 'python3 is not on the PATH' }
const needsFfmpeg = { skip: python && hasFfmpeg ? false : 'ffmpeg or python3 is not on the PATH' }

/** For each worker an input that is whole, and what a dry answer to it holds beside the mark. */
const workers: Record<string, { input: object; answer: string[] }> = {
  whisper: { input: { path: 'speech.wav' }, answer: ['text', 'segments'] },
  clap: { input: { path: 'sound.wav' }, answer: ['tags'] },
  videomae: { input: { path: 'sheet.jpg', fromMs: 0, toMs: 9000 }, answer: ['fromMs', 'toMs', 'actions'] },
  dinov3: { input: { path: 'frame.jpg', atMs: 5000 }, answer: ['atMs', 'vector', 'path'] },
  qwen3: {
    input: { name: 'a.mp4', durationMs: 9000, transcript: null, tags: null, clips: [] },
    answer: ['summary', 'notes'],
  },
}

test('python3 is there in CI', { skip: process.env.CI ? false : 'not in CI' }, () => {
  assert.ok(python, 'The workers of examples/video are not tested without python3: install it where CI runs.')
})

test('the pipeline is valid and declares what the seed declares', () => {
  const { models, gpus } = pipeline
  for (const seed of mediaModels) {
    const declared = models.find(({ id }) => id === seed.id.toLowerCase())
    // A pipeline gives back what nobody waits for; the class that programs embed does not.
    assert.deepEqual(declared, { ...seed, id: seed.id.toLowerCase(), keepAliveMs: 300_000 })
  }
  const neededBytes = models.reduce((sum, { vramBytes }) => sum + vramBytes, 0)
  assert.equal(neededBytes, 14e9)
  assert.ok(neededBytes <= gpus[0]!.memoryBytes! * gpus[0]!.safetyRatio)
})

test('the summary waits for what was heard and seen, and for no embedding', () => {
  const needs = Object.fromEntries([...pipeline.steps].map(([name, step]) => [name, [...step.needs.keys()]]))
  assert.deepEqual(needs, {
    probe: [],
    speech: ['probe'],
    whisper: ['speech'],
    sound: ['probe'],
    clap: ['sound'],
    frames: ['probe'],
    looks: ['frames'],
    clips: ['probe'],
    actions: ['clips'],
    summary: ['probe', 'whisper', 'clap', 'actions'],
  })
})

test('a video without sound or pictures still gets a summary', () => {
  const { input } = pipeline.steps.get('summary')!
  const scope = {
    source: { name: 'a.mp4' },
    probe: { durationMs: 9000 },
    whisper: null,
    clap: null,
    actions: null,
  }
  assert.deepEqual(input.evaluate(scope), { ...workers.qwen3!.input, clips: null })
})

test('every Python file of the example compiles', needsPython, () => {
  const files = ['workers', 'steps'].flatMap((name) =>
    readdirSync(join(example, name))
      .filter((file) => file.endsWith('.py'))
      .map((file) => join(example, name, file)),
  )
  assert.ok(files.length >= 13)
  const { status, stderr } = runPython(['-m', 'py_compile', ...files])
  assert.equal(status, 0, stderr)
})

for (const [name, { input, answer }] of Object.entries(workers)) {
  test(`${name} keeps the runner contract in a dry run and marks its answers`, needsPython, () => {
    const { status, messages } = talk(name, { PLIMSOLL_DRY: '1' }, [
      { type: 'load', id: '1', options: {} },
      { type: 'run', id: '2', items: [item('a', input), item('b', input)] },
      { type: 'unload', id: '3' },
    ])
    assert.deepEqual(
      messages.map(({ type }) => type),
      ['ready', 'loaded', 'result', 'result', 'done', 'unloaded'],
    )
    const results = resultsOf(messages)
    assert.deepEqual(
      results.map((result) => result.item),
      ['a', 'b'],
    )
    for (const { output } of results) {
      assert.equal((output as { dry: unknown }).dry, true)
      assert.deepEqual(Object.keys(output as object).sort(), ['dry', ...answer].sort())
    }
    assert.equal(status, 0)
  })

  test(`${name} ends when its standard input does`, needsPython, () => {
    const { status, messages } = talk(name, { PLIMSOLL_DRY: '1' }, [{ type: 'load', id: '1', options: {} }])
    assert.equal(messages.at(-1)!.type, 'loaded')
    assert.equal(status, 0)
  })

  test(`${name} fails an item whose input lacks a field, and only that one`, needsPython, () => {
    const { messages } = talk(name, { PLIMSOLL_DRY: '1' }, [
      { type: 'load', id: '1', options: {} },
      { type: 'run', id: '2', items: [item('bad', {}), item('good', input)] },
    ])
    const [bad, good] = resultsOf(messages)
    assert.match(bad!.error!.message, /The input lacks '\w+'/)
    assert.equal((good!.output as { dry: unknown }).dry, true)
  })

  test(`${name} wants its real model when the run is not dry`, needsPython, () => {
    const { messages } = talk(name, { PLIMSOLL_DRY: '' }, [{ type: 'load', id: '1', options: {} }])
    const refusal = messages.at(-1)!
    assert.ok(refusal.type === 'error', `it answered ${refusal.type}`)
    assert.match(refusal.error.message, /torch/)
  })
}

test('a long take is cut at its scenes, into equal parts of at most ten seconds', needsPython, () => {
  const cases = [
    { changes: [], duration: 400, spans: '0-400' },
    { changes: [4000], duration: 9000, spans: '0-4000 4000-9000' },
    { changes: [300, 4000, 4900, 8500], duration: 9000, spans: '0-4000 4000-9000' },
    { changes: [], duration: 25_000, spans: '0-8333 8333-16666 16666-25000' },
  ]
  const script =
    'import json, sys, clips\nprint(json.dumps([clips.cut(*case) for case in json.load(sys.stdin)]))'
  const given = JSON.stringify(cases.map(({ changes, duration }) => [changes, duration]))
  const { stdout, stderr } = runPython(['-c', script], { PYTHONPATH: join(example, 'steps') }, given)
  assert.notEqual(stdout, '', stderr)
  const found = (JSON.parse(stdout) as [number, number][][]).map((spans) =>
    spans.map(([from, to]) => `${from}-${to}`).join(' '),
  )
  assert.deepEqual(
    found,
    cases.map(({ spans }) => spans),
  )
})

for (const step of ['probe', 'audio', 'frames', 'clips']) {
  test(`${step} says that ffmpeg is missing, and how to get it`, needsPython, () => {
    writeFileSync(join(folder, 'empty.mp4'), '')
    const { status, stderr } = runStep(step, everyField('empty.mp4'), { PATH: folder })
    assert.equal(status, 1)
    assert.match(stderr, /^ff(mpeg|probe) is not on the PATH\. Install ffmpeg .*\n$/)
  })

  test(`${step} names a video that is not there`, needsPython, () => {
    const { status, stderr } = runStep(step, everyField('gone.mp4'))
    assert.equal(status, 1)
    assert.equal(stderr, 'Video "gone.mp4" is not there, or is not a file.\n')
  })

  test(`${step} refuses a file that is no video in one short sentence`, needsFfmpeg, () => {
    writeFileSync(join(folder, 'broken.mp4'), 'no video')
    const { status, stderr } = runStep(step, everyField('broken.mp4'))
    assert.equal(status, 1)
    assert.match(stderr, /^ff(mpeg|probe) ended with code \d+: .*\n$/)
  })
}

test('a video becomes sound, frames and clips, the same when a step runs again', needsFfmpeg, () => {
  makeVideo('film.mp4')
  const facts = stepAnswer('probe', { path: 'film.mp4' })
  assert.deepEqual(
    [facts.hasVideo, facts.hasAudio, facts.width, facts.height, Math.round(facts.durationMs / 1000)],
    [true, true, 320, 240, 12],
  )
  for (const rateHz of [16_000, 48_000]) {
    assert.match(stepAnswer('audio', { path: 'film.mp4', rateHz }).path, /film-[0-9a-f]{12}.audio-\d+\.wav$/)
  }
  const { frames } = stepAnswer('frames', { path: 'film.mp4', everyMs: 5000 })
  assert.deepEqual(
    frames.map(({ atMs }: { atMs: number }) => atMs),
    [0, 5000, 10_000],
  )
  const clips = stepAnswer('clips', { path: 'film.mp4', durationMs: 12_000 })
  assert.deepEqual(
    clips.clips.map(({ fromMs, toMs }: { fromMs: number; toMs: number }) => [fromMs, toMs]),
    [
      [0, 8000],
      [8000, 12_000],
    ],
  )
  assert.deepEqual(stepAnswer('clips', { path: 'film.mp4', durationMs: 12_000 }), clips)
})

function item(id: string, input: unknown) {
  return { id, input }
}

function resultsOf(messages: FromWorker[]) {
  return messages.filter((message) => message.type === 'result')
}

/** Starts a worker as the pipeline says and gives it all the lines; what it said until it ended. */
function talk(name: string, environment: Record<string, string>, lines: ToWorker[]) {
  const input = lines.map((line) => `${JSON.stringify(line)}\n`).join('')
  const spec = pipeline.runnerSpecs.get(name)!
  assert.ok(spec.kind === 'command' && spec.argv[0] === 'python3')
  const script = spec.argv.slice(1)
  const { status, stdout, stderr } = runPython(
    script,
    { ...spec.environment, ...environment },
    input,
    spec.cwd,
  )
  const messages = stdout.split('\n').filter((line) => line.startsWith('{'))
  assert.ok(messages.length > 0, `${name} said nothing; on standard error: ${stderr}`)
  return { status, messages: messages.map((line) => JSON.parse(line) as FromWorker) }
}

function everyField(path: string) {
  return { path, rateHz: 16_000, everyMs: 5000, durationMs: 1000 }
}

function runStep(step: string, input: object, environment: Record<string, string> = {}) {
  return runPython([join(example, 'steps', `${step}.py`)], environment, JSON.stringify(input))
}

function stepAnswer(step: string, input: object) {
  const { stdout, stderr } = runStep(step, input)
  assert.notEqual(stdout, '', stderr)
  return JSON.parse(stdout)
}

/** Leaves no compiled files in the repository; ends by itself when the worker hangs. */
function runPython(argv: string[], environment: Record<string, string> = {}, input = '', cwd = folder) {
  const env = { ...process.env, PYTHONPYCACHEPREFIX: join(folder, 'compiled'), ...environment }
  const ended = spawnSync(python!, ['-S', ...argv], {
    cwd,
    encoding: 'utf8',
    env,
    input,
    timeout: 60_000,
  })
  assert.equal(ended.error, undefined)
  return ended
}

/** Twelve seconds: eight of moving stripes, four of colour bars, a tone. */
function makeVideo(name: string) {
  const pictures = ['testsrc=s=320x240:r=25:d=8', 'smptebars=s=320x240:r=25:d=4', 'sine=f=440:d=12']
  const sources = pictures.flatMap((source) => ['-f', 'lavfi', '-i', source])
  const joined = ['-filter_complex', '[0:v][1:v]concat=n=2[v]', '-map', '[v]', '-map', '2:a', '-shortest']
  const codecs = ['-c:v', 'mpeg4', '-c:a', 'aac']
  const { status, stderr } = spawnSync('ffmpeg', ['-v', 'error', ...sources, ...joined, ...codecs, name], {
    cwd: folder,
    encoding: 'utf8',
  })
  assert.equal(status, 0, stderr)
}
