// TensorFlow.js on its WebAssembly backend, as four of the models use it: one thread (so that the
// same input gives the same bytes out), no banner, and models read from packages on disk.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { setThreadsCount, setWasmPaths } from '@tensorflow/tfjs-backend-wasm'
import { packageFolder } from './package-folder.ts'

export async function startTensorflow(): Promise<typeof tf> {
  tf.enableProdMode()
  setWasmPaths(join(packageFolder('@tensorflow/tfjs-backend-wasm'), 'dist/'))
  setThreadsCount(1)
  await tf.setBackend('wasm')
  await tf.ready()
  return tf
}

/** A source for tf.loadLayersModel and tf.loadGraphModel: the folder's model.json and its weights. */
export async function modelInFolder(folder: string): Promise<tf.io.IOHandler> {
  const model: tf.io.ModelJSON = JSON.parse(await readFile(join(folder, 'model.json'), 'utf8'))
  const shards = model.weightsManifest.flatMap((group) => group.paths)
  const weights = Buffer.concat(await Promise.all(shards.map((shard) => readFile(join(folder, shard)))))
  return tf.io.fromMemory({
    modelTopology: model.modelTopology,
    format: model.format,
    signature: model.signature,
    weightSpecs: model.weightsManifest.flatMap((group) => group.weights),
    weightData: weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.length) as ArrayBuffer,
  })
}
