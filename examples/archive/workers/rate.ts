// rate: for which audience a picture is, as probabilities of five classes.
// Model: MobileNetV2 of nsfwjs 4.3.0 (MIT). The weights are text inside JavaScript modules, 3.5 MB, and
// take more memory than their size.
// Measured: loads in 0.4 s, 228 MB resident, 274 MB at the peak; 56 ms for a picture.
// Pictures are stretched to 224 x 224. One by one, since a batch takes as long as its pictures do.
import { load as loadNsfwjs, type NSFWJS } from 'nsfwjs/core'
import { MobileNetV2Model } from 'nsfwjs/models/mobilenet_v2'
import { decodePicture, type PictureInput } from './picture.ts'
import { runEach } from './run-each.ts'
import { startTensorflow } from './tensorflow.ts'

const side = 224

interface Rating {
  /** The likeliest class. */
  top: string
  /** Class to probability, three decimals. */
  probabilities: Record<string, number>
}

interface Model {
  tf: Awaited<ReturnType<typeof startTensorflow>>
  nsfwjs: NSFWJS
}

export async function load(): Promise<Model> {
  const tf = await startTensorflow()
  console.info = () => {} // nsfwjs greets on standard output
  return { tf, nsfwjs: await loadNsfwjs('MobileNetV2', { modelDefinitions: [MobileNetV2Model] }) }
}

export function run(inputs: PictureInput[], model: Model): Promise<(Rating | Error)[]> {
  return runEach(inputs, (input) => rate(input, model))
}

async function rate({ path }: PictureInput, { tf, nsfwjs }: Model): Promise<Rating> {
  const { data } = await decodePicture(path, (picture) => picture.resize(side, side, { fit: 'fill' }))
  const pixels = tf.tensor3d(data, [side, side, 3], 'int32')
  try {
    const classes = await nsfwjs.classify(pixels)
    const rounded = classes.map(({ className, probability }) => [className, Number(probability.toFixed(3))])
    return { top: classes[0]!.className, probabilities: Object.fromEntries(rounded) }
  } finally {
    pixels.dispose()
  }
}
