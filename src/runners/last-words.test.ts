// Real logs of workers that ended, and the line that people should read.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isBroken, lastWords, speaksOfBrokenCode } from './last-words.ts'

const python = `loading
Traceback (most recent call last):
  File "/work/pipe/worker.py", line 3, in <module>
    import sd
  File "/usr/lib/python3.12/site-packages/sd/__init__.py", line 7, in <module>
    import torch
ModuleNotFoundError: No module named 'torch'
`
const pythonSyntax = `  File "/work/pipe/worker.py", line 4
    def run(
           ^
SyntaxError: '(' was never closed
`
const pythonOwn = `Traceback (most recent call last):
  File "/work/pipe/lib/a.py", line 9, in load
    raise Broken("no weights")
lib.a.Broken: no weights
`
const nodeSyntax = `node:internal/modules/run_main:107
    triggerUncaughtException(
    ^

file:///work/pipe/shout.ts:3
export enum Size { small }
       ^^^^^^^^^^^^^^^^^^^

SyntaxError [ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX]: TypeScript enum is not supported in strip-only mode
    at parseTypeScript (node:internal/modules/typescript:68:40)
    at afterLoad (node:internal/modules/esm/loader:506:29) {
  code: 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX'
}

Node.js v24.21.0
`
const nodeRequire = `node:internal/modules/cjs/loader:1564
  const err = new Error(message);
              ^

Error: Cannot find module 'sharp'
Require stack:
- /work/pipe/a.cjs
    at Module._resolveFilename (node:internal/modules/cjs/loader:1564:15)
    at Object.<anonymous> (/work/pipe/a.cjs:2:1)
    at Module._compile (node:internal/modules/cjs/loader:1929:14) {
  code: 'MODULE_NOT_FOUND',
}

Node.js v24.21.0
`
const nodeAlone = `node:internal/modules/typescript:64
        throw new ERR_INVALID_TYPESCRIPT_SYNTAX(error.message);
              ^

SyntaxError [ERR_INVALID_TYPESCRIPT_SYNTAX]: Unexpected token
    at parseTypeScript (node:internal/modules/typescript:64:15)
    at node:internal/modules/run_main:36:49

Node.js v22.16.0
`
const nodeLibrary = `file:///work/pipe/node_modules/x/index.js:3
throw new Error('no GPU')
      ^

Error: no GPU
    at file:///work/pipe/node_modules/x/index.js:3:7
    at ModuleJob.run (node:internal/modules/esm/module_job:561:25) {
  [cause]: TypeError: inner
      at file:///work/pipe/node_modules/x/index.js:1:40
}

Node.js v24.21.0
`

for (const [name, log, expected] of [
  ['a trace of Python', python, "worker.py:3: ModuleNotFoundError: No module named 'torch'"],
  ['Python that does not parse', pythonSyntax, "worker.py:4: SyntaxError: '(' was never closed"],
  ['an exception with a name of its own', pythonOwn, 'lib/a.py:9: lib.a.Broken: no weights'],
  [
    'a trace of Node',
    nodeSyntax,
    'shout.ts:3: SyntaxError [ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX]: TypeScript enum is not supported in strip-only mode',
  ],
  ['a package that is not there', nodeRequire, "a.cjs:2: Error: Cannot find module 'sharp'"],
  [
    'an error with no place of its own',
    nodeAlone,
    'SyntaxError [ERR_INVALID_TYPESCRIPT_SYNTAX]: Unexpected token',
  ],
  ['an error in a library', nodeLibrary, 'node_modules/x/index.js:3: Error: no GPU'],
  ['a text that is thrown', 'throwing\n\nthe text\n\nNode.js v24.21.0\n', 'the text'],
  [
    'a panic',
    "thread 'main' panicked at src/main.rs:3:5:\nno device\n",
    "thread 'main' panicked at src/main.rs:3:5:",
  ],
  ['a plain last line', 'first\nlast\n', 'last'],
  ['memory before all', `${python}CUDA out of memory\nlast\n`, 'CUDA out of memory'],
  ['an error that was survived', `ValueError: once\n${'going on\n'.repeat(100)}`, 'going on'],
  ['nothing', '', ''],
] as const) {
  test(`the last words of ${name}`, () => assert.equal(lastWords(log, '/work/pipe'), expected))
}

test('a place outside the folder is named in full', () => {
  assert.match(lastWords(python, '/elsewhere'), /^\/work\/pipe\/worker\.py:3: Module/)
})

test('what is broken stays broken; what may be another time is tried again', () => {
  const ended = { code: 1, signal: null, cause: 'ended with code 1' }
  for (const [words, expected] of [
    ["worker.py:3: ModuleNotFoundError: No module named 'torch'", true],
    ['shout.ts:3: SyntaxError [ERR_X]: enum', true],
    ["Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'x' imported from /w.js", true],
    ["python3: can't open file '/w.py': [Errno 2] No such file or directory", true],
    ['Error: no GPU', false],
    [`SyntaxError: Unexpected token '<', "<html>" is not valid JSON`, false],
    ['ConnectionError: the weights are not there', false],
  ] as const)
    assert.equal(speaksOfBrokenCode(words), expected, words)
  assert.equal(isBroken(ended, 'NameError: x'), true)
  assert.equal(isBroken({ ...ended, code: 0 }, 'NameError: x'), false)
  assert.equal(isBroken({ ...ended, code: 127 }, 'sh: 1: foo: not found'), true)
  assert.equal(
    isBroken({ code: null, signal: 'SIGKILL', cause: 'was killed by SIGKILL' }, 'NameError: x'),
    false,
  )
  const missing = { code: null, signal: null, cause: 'could not be started: spawn x ENOENT' }
  assert.equal(isBroken(missing, ''), true)
  assert.equal(isBroken({ ...missing, cause: 'could not be started: spawn x EAGAIN' }, ''), false)
})
