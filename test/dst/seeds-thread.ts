// A thread of seeds.ts: runs each task that it is given, and answers with what came of it.
import { parentPort } from 'node:worker_threads'
import { simulateTwice, type Task } from './seeds.ts'

const port = parentPort!
port.on('message', async (tasks: readonly Task[]) => {
  if (tasks.length === 0) return port.close()
  for (const task of tasks) port.postMessage({ task, outcome: await simulateTwice(task) })
  port.postMessage('done')
})
