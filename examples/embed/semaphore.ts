// The semaphore alone: functions that bring their own order share a card. Who finds no room waits its turn.
import { setTimeout } from 'node:timers/promises'
import { VramConfig, VramSemaphore } from '../../src/index.ts' // in yours: 'plimsoll'

const vram = new VramConfig({ totalGb: 8 })
const semaphore = new VramSemaphore(vram)

async function look(model: string, video: string): Promise<void> {
  using permit = await semaphore.acquire(vram.modelVram(model)) // given back where this function ends
  console.log(
    `${model} looks at ${video}: ${permit.bytes / 1e9} GB, ${semaphore.availableBytes / 1e9} GB are left`,
  )
  await setTimeout(10) // your model
}

await Promise.all(['v1', 'v2'].flatMap((video) => vram.models.map(({ id }) => look(id, video))))
