// The way to NVIDIA's cards without their library: a script in place of nvidia-smi,
// which answers from a file.
import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { test } from 'node:test'
import { cardDevice, type Driver } from '../../src/devices/card.ts'
import { openNvidia } from '../../src/devices/nvidia.ts'
import { readProcess } from '../../src/devices/processes.ts'
import { temporaryFolder } from '../support/folder.ts'

const folder = temporaryFolder('smi')
process.env.PATH = `${folder}${delimiter}${process.env.PATH}`

const MiB = 2 ** 20

/** Answers as the real one does: the fields that are asked for, in their order. */
const script = `#!${process.execPath}
const { readFileSync } = require('node:fs')
const state = JSON.parse(readFileSync('${folder}/state.json', 'utf8'))
if (state.fails) { console.log(state.fails); process.exit(9) }
if (state.hangs) setInterval(() => {}, 1000)
else {
  const [, what, fields] = /^--query-(gpu|compute-apps)=(.*)$/.exec(process.argv[2])
  if (process.argv[3] !== '--format=csv,noheader,nounits') throw new Error('another format')
  for (const row of state[what]) {
    const cells = fields.split(',').map((field) => row[field])
    if (cells.includes(undefined)) { console.log('Field "' + fields.split(',')[cells.indexOf(undefined)] + '" is not a valid field to query.'); process.exit(2) }
    console.log(cells.join(', '))
  }
}
`
const file = join(folder, 'nvidia-smi')
writeFileSync(file, script)
chmodSync(file, 0o755)

const card = {
  index: 0,
  uuid: 'GPU-0',
  name: 'NVIDIA GeForce RTX 3090, the second, of two',
  driver_version: '470.82',
  'memory.total': 24576,
  'memory.free': 20000,
  'memory.reserved': 300,
  'utilization.gpu': 12,
  'mig.mode.current': '[N/A]',
  'ecc.errors.uncorrected.volatile.total': '[N/A]',
  'retired_pages.pending': '[N/A]',
}

interface State {
  gpu?: object[]
  'compute-apps'?: object[]
  fails?: string
  hangs?: boolean
}

function tell(state: State): void {
  writeFileSync(join(folder, 'state.json'), JSON.stringify({ gpu: [card], 'compute-apps': [], ...state }))
}

const options = { nvml: { library: join(folder, 'none.so') }, smi: { askMs: 10_000 } }

/** Of this test's own process. */
const { group } = readProcess(process.pid)!

async function open(): Promise<Driver> {
  const driver = await openNvidia(options)
  assert.ok('cards' in driver, String(driver))
  return driver
}

test('cards, memory and processes are read from its tables', async () => {
  tell({
    'compute-apps': [
      { gpu_uuid: 'GPU-0', pid: process.pid, used_memory: 1500 },
      { gpu_uuid: 'GPU-1', pid: process.pid, used_memory: 700 },
      { gpu_uuid: 'GPU-0', pid: 1, used_memory: 900 },
    ],
  })
  const driver = await open()
  assert.match(driver.how, /^nvidia-smi, driver 470\.82; not NVML: .*none\.so/)
  assert.equal(driver.cards[0]!.name, card.name)
  const reading = await cardDevice(driver, driver.cards[0]!, { id: 'g', capBytes: null }).read([group])
  assert.deepEqual([...reading.bytesByGroup!], [[group, 1500 * MiB]])
  assert.deepEqual(
    [reading.capacityBytes, reading.usedBytes, reading.foreignBytes].map((bytes) => bytes! / MiB),
    [24276, 4276, 2776],
  )
  assert.deepEqual([reading.utilisationRatio, reading.fault], [0.12, null])
})

test('an old one that does not know every field is asked for fewer', async () => {
  const { 'memory.reserved': _, 'mig.mode.current': __, ...old } = card
  tell({ gpu: [old] })
  const driver = await open()
  const reading = await cardDevice(driver, driver.cards[0]!, { id: 'g', capBytes: null }).read([])
  assert.equal(reading.foreignBytes, 4576 * MiB)
})

test('what it does not tell: of a process, that it cannot tell; of a split GPU, that NVML is needed', async () => {
  tell({
    gpu: [card, { ...card, index: 1, uuid: 'GPU-1', 'mig.mode.current': 'Enabled' }],
    'compute-apps': [{ gpu_uuid: 'GPU-0', pid: process.pid, used_memory: '[N/A]' }],
  })
  const driver = await open()
  assert.equal(driver.cards.length, 1)
  assert.match(driver.left[0]!, /^GPU 1 is split/)
  assert.equal(
    (await cardDevice(driver, driver.cards[0]!, { id: 'g', capBytes: null }).read([group])).bytesByGroup,
    null,
  )
})

test('errors, a card that is gone, a failure and silence are faults, and end', async () => {
  tell({})
  const driver = await openNvidia({ ...options, smi: { askMs: 4000 } }).then((each) => each as Driver)
  const device = cardDevice(driver, driver.cards[0]!, { id: 'g', capBytes: null })
  const fault = async (state: State) => {
    tell(state)
    for (;;) {
      // Readings within a moment share an answer, so the first may still be the one before.
      const { fault: told } = await device.read([])
      if (told !== last) {
        last = told
        return told
      }
    }
  }
  let last: string | null = null
  assert.match(
    (await fault({ gpu: [{ ...card, 'ecc.errors.uncorrected.volatile.total': 4 }] }))!,
    /^4 memory errors/,
  )
  assert.match((await fault({ gpu: [{ ...card, uuid: 'GPU-7' }] }))!, /no longer lists it/)
  assert.match(
    (await fault({ fails: 'Failed to initialize NVML: Driver/library version mismatch' }))!,
    /ended with code 9: Failed to initialize NVML/,
  )
  assert.match((await fault({ hangs: true }))!, /has not answered for 4 s/)
  assert.equal(await fault({}), null)
})

test('where it fails at the start, the reason is told beside that of NVML', async () => {
  tell({ gpu: [] })
  assert.deepEqual(((await openNvidia(options)) as string[])[1], 'nvidia-smi lists no GPU')
})
