// Measures each worker in a process of its own: node profile.ts [worker …]
// Prints what pipeline.yaml declares: seconds to load, resident memory after the load and at its peak,
// milliseconds for an item. The peak is that of a hundred items or more, since what JavaScript leaves
// behind needs a while to reach its height. Reads /proc, so Linux only.
import { fork } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'

const filesIn = (folder: string, filter = '') =>
  readdirSync(folder)
    .filter((name) => name.includes(filter))
    .sort()
    .map((name) => ({ path: `${folder}/${name}` }))
const pictures = filesIn('media/pictures')
const recordings = filesIn('media/recordings')
const largestToUpscale = '.plimsoll/profile-160.png'

/** For each worker the batch of pipeline.yaml and the items; `largest` runs after them, for the peak alone.
 * */
const loads: Record<string, { batch: number; items: object[]; largest?: object[] }> = {
  rate: { batch: 8, items: pictures },
  faces: { batch: 4, items: pictures },
  ocr: { batch: 4, items: pictures },
  upscale: {
    batch: 4,
    items: filesIn('media/pictures', '-small'),
    largest: Array.from({ length: 20 }, () => ({ path: largestToUpscale })),
  },
  speech: { batch: 4, items: recordings },
  notes: { batch: 2, items: recordings },
  embed: {
    batch: 16,
    items: Array.from({ length: 20 }, (_, index) => ({ text: `Boat ${index} leaves the harbour.` })),
  },
}

async function profile(name: string): Promise<void> {
  const { batch, items, largest = [] } = loads[name]!
  const began = performance.now()
  const worker = await import(`./workers/${name}.ts`)
  const model = await worker.load({ options: {} })
  const loadMs = performance.now() - began
  const loadedMB = memoryMB('VmRSS')

  let runMs = 0
  const enough = Array.from({ length: Math.ceil(100 / items.length) }, () => items).flat()
  for (const [part, isTimed] of [
    [enough, true],
    [largest, false],
  ] as const) {
    for (let at = 0; at < part.length; at += batch) {
      const from = performance.now()
      const outputs: unknown[] = await worker.run(part.slice(at, at + batch), model)
      if (isTimed) runMs += performance.now() - from
      for (const output of outputs) if (output instanceof Error) throw output
    }
  }
  const peakMB = memoryMB('VmHWM')
  console.log(
    `| ${name} | ${batch} | ${(loadMs / 1000).toFixed(2)} | ${loadedMB} | ${peakMB} | ${Math.ceil((peakMB * 1.1) / 10) * 10} | ${Math.round(runMs / enough.length)} |`,
  )
}

/** MB are 10^6 bytes, as everywhere; the kernel counts in 1024. */
function memoryMB(field: string): number {
  const status = readFileSync('/proc/self/status', 'utf8')
  return Math.round((Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)![1]) * 1024) / 1e6)
}

if (process.send !== undefined) {
  await profile(process.argv[2]!)
  process.exit(0)
}
mkdirSync('.plimsoll', { recursive: true })
const { default: sharp } = await import('sharp') // here, and not in the processes that are measured
await sharp('media/pictures/harbour-page.png')
  .resize(160, 160, { fit: 'fill' })
  .png()
  .toFile(largestToUpscale)
console.log(
  '| model | batch | load s | loaded MB | peak MB | declared MB | ms per item |\n|---|---|---|---|---|---|---|',
)
const chosen = process.argv.slice(2)
for (const name of chosen.length > 0 ? chosen : Object.keys(loads)) {
  await new Promise((done) => fork(import.meta.filename, [name]).on('exit', done))
}
