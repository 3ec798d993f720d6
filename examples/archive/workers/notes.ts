// notes: the notes that are played or sung in a recording, or in a part of it.
// Model: basic-pitch 1.0.1 of Spotify (Apache-2.0), 0.7 MB of weights in @spotify/basic-pitch.
// Measured: loads in 0.2 s, 110 MB resident, 370 MB at the peak; 740 ms for six seconds of sound.
// It hears windows of two seconds at 22.05 kHz; on WebAssembly it is many times as fast as on the
// backend in plain JavaScript that the package takes by default.
import { join } from 'node:path'
import { BasicPitch, noteFramesToTime, outputToNotesPoly } from '@spotify/basic-pitch'
import { packageFolder } from './package-folder.ts'
import { cut, readRecording, resample } from './recording.ts'
import { runEach } from './run-each.ts'
import { modelInFolder, startTensorflow } from './tensorflow.ts'

interface PartInput {
  path: string
  /** Begin and end of the part, in milliseconds; without them, the whole recording. */
  fromMs?: number | null
  toMs?: number | null
}

interface Note {
  /** Number of the key: 69 is the A of 440 Hz. */
  midi: number
  name: string
  /** In the recording, not in the part. */
  fromMs: number
  toMs: number
}

interface Notes {
  notes: Note[]
  /** The names in order, joined by spaces. */
  tune: string
}

interface Model {
  tf: Awaited<ReturnType<typeof startTensorflow>>
  basicPitch: BasicPitch
}

const sampleRate = 22050
/** The package's own defaults: the energy at which a note begins and goes on, frames of the shortest. */
const [onsetThreshold, frameThreshold, minFrames] = [0.5, 0.3, 11]
const names = ['C', 'C#', 'D', 'D#', 'E', 'F', 'F#', 'G', 'G#', 'A', 'A#', 'B']

export async function load(): Promise<Model> {
  const tf = await startTensorflow()
  const network = tf.loadGraphModel(await modelInFolder(join(packageFolder('@spotify/basic-pitch'), 'model')))
  await network
  return { tf, basicPitch: new BasicPitch(network) }
}

export function run(inputs: PartInput[], model: Model): Promise<(Notes | Error)[]> {
  return runEach(inputs, async ({ path, fromMs, toMs }) => {
    const part = cut(await readRecording(path), fromMs ?? 0, toMs ?? undefined)
    if (part.samples.length === 0)
      throw new Error(`Recording "${path}" has nothing from ${fromMs} to ${toMs} ms.`)
    const notes = await notesIn(resample(part, sampleRate).samples, fromMs ?? 0, model)
    return { notes, tune: notes.map(({ name }) => name).join(' ') }
  })
}

async function notesIn(samples: Float32Array, offsetMs: number, { tf, basicPitch }: Model): Promise<Note[]> {
  const frames: number[][] = []
  const onsets: number[][] = []
  // The package leaves its tensors to a garbage collection that WebAssembly memory has not got.
  tf.engine().startScope()
  try {
    await basicPitch.evaluateModel(
      samples,
      (framesOfWindow, onsetsOfWindow) => {
        frames.push(...framesOfWindow)
        onsets.push(...onsetsOfWindow)
      },
      () => {},
    )
  } finally {
    tf.engine().endScope()
  }
  if (frames.length === 0) return []
  return noteFramesToTime(outputToNotesPoly(frames, onsets, onsetThreshold, frameThreshold, minFrames))
    .map(({ pitchMidi, startTimeSeconds, durationSeconds }) => ({
      midi: pitchMidi,
      name: `${names[pitchMidi % 12]}${Math.floor(pitchMidi / 12) - 1}`,
      fromMs: Math.round(offsetMs + startTimeSeconds * 1000),
      toMs: Math.round(offsetMs + (startTimeSeconds + durationSeconds) * 1000),
    }))
    .sort((a, b) => a.fromMs - b.fromMs || a.midi - b.midi)
}
