// A SQLite store whose disk is full, whose file another process has locked, or is damaged while it is open:
// the real thing, for every call that writes.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../support/folder.ts'
import { checkRefusals } from './refusals.ts'

const folder = temporaryFolder('refused')
let fileCount = 0
const newFile = () => join(folder, `${++fileCount}.db`)

/** Runs a command on a file system of its own, of 4 MB, in a folder. */
const onSmallDisk = (command: string[]) =>
  spawnSync(
    'unshare',
    ['-rm', 'sh', '-c', 'mount -t tmpfs -o size=4m none "$0" && exec "$@"', folder, ...command],
    {
      encoding: 'utf8',
    },
  )
const hasSmallDisks = onSmallDisk(['true']).status === 0

test('a full disk refuses every call whole, and none is lost or done twice when there is room again', {
  skip: hasSmallDisks ? false : 'this user may not mount a small file system (unshare -rm)',
}, () => {
  const source = `
    import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
    import { checkRefusals } from '${import.meta.dirname}/refusals.ts'
    let fileCount = 0
    const filler = '${folder}/filler'
    await checkRefusals({
      newFile: () => '${folder}/' + ++fileCount + '.db',
      code: 'STORE_FULL',
      refuse() {
        const fd = openSync(filler, 'w')
        try {
          for (;;) writeSync(fd, Buffer.alloc(4096))
        } catch {
          closeSync(fd) // no room is left
        }
      },
      allow: () => rmSync(filler),
    })`
  const { status, stderr } = onSmallDisk([process.execPath, '--input-type=module', '-e', source])
  assert.equal(status, 0, stderr)
})

test('a file that another process has locked refuses every call whole, and takes it when the lock is gone', async () => {
  let holder: ReturnType<typeof spawn> | null = null
  await checkRefusals({
    newFile,
    code: 'STORE_LOCKED',
    async refuse(file, db) {
      db.exec('PRAGMA busy_timeout = 0') // five seconds otherwise
      const source = `
        const db = new (require('node:sqlite').DatabaseSync)('${file}')
        db.exec('BEGIN IMMEDIATE')
        console.log('locked')
        setInterval(() => {}, 1000)`
      holder = spawn(process.execPath, ['-e', source], { stdio: ['ignore', 'pipe', 'inherit'] })
      await once(holder.stdout!, 'data')
    },
    async allow() {
      const exit = once(holder!, 'exit')
      holder!.kill('SIGKILL')
      await exit
    },
  })
})

test('a file that is damaged under an open store refuses every call, and is as it was when its pages are', async () => {
  let good: Buffer
  await checkRefusals({
    newFile,
    code: 'STORE_CORRUPT',
    isForGood: true,
    refuse(file, db) {
      good = readFileSync(file)
      const bytes = Buffer.from(good)
      for (let at = 4096; at < bytes.length; at += 4096) bytes.fill(0xa7, at, at + 64)
      writeFileSync(file, bytes)
      db.exec('PRAGMA shrink_memory') // it would not read its pages again soon
    },
    allow: (file) => writeFileSync(file, good),
  })
})
