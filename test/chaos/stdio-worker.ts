// The same model behind the protocol, without our module host: it answers some items
// twice, and a deaf one does not end when its stdin does.
import { createInterface } from 'node:readline'
import type { ToWorker } from '../../src/runners/protocol.ts'
import { answers, load, type Model, type ModelInput, type ModelOptions } from './model.ts'

const say = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`)
let model: Model | null = null

const handlers: {
  [Type in ToWorker['type']]: (message: Extract<ToWorker, { type: Type }>) => Promise<void>
} = {
  async load({ id, options }) {
    model = await load({ options: options as ModelOptions })
    if (model.options.isDeaf) setInterval(() => {}, 1000)
    else lines.on('close', () => process.exit(0))
    say({ type: 'loaded', id })
  },
  async run({ id, items }) {
    const inputs = items.map(({ input }) => input as ModelInput)
    let index = 0
    for await (const output of answers(inputs, model!)) {
      const { id: item } = items[index]!
      const isTwice = inputs[index++]!.n % 5 === 0
      const result = output instanceof Error ? { error: { message: output.message } } : { output }
      for (let times = isTwice ? 2 : 1; times > 0; times--) say({ type: 'result', id, item, ...result })
    }
    say({ type: 'done', id })
  },
  async unload({ id }) {
    model = null
    say({ type: 'unloaded', id })
  },
}

const lines = createInterface({ input: process.stdin })
say({ type: 'ready', protocol: 1 })
for await (const line of lines) {
  const message = JSON.parse(line) as ToWorker
  await handlers[message.type](message as never)
}
