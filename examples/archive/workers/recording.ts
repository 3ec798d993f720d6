// Reads recordings: WAV files, 16-bit PCM, one channel. Two models hear them: one wants 16 kHz, the
// other 22.05 kHz; the second asks for `resample`.
import { readFile } from 'node:fs/promises'

export interface Recording {
  sampleRate: number
  /** One channel, -1 to 1. */
  samples: Float32Array
}

export async function readRecording(path: string): Promise<Recording> {
  if (typeof path !== 'string') throw new Error('A recording needs an input { "path": "…" }.')
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw new Error(`Recording "${path}" cannot be read: ${missing ? 'there is no such file' : error}.`)
  }
  return decodeWav(path, bytes)
}

export function durationMsOf(recording: Recording): number {
  return Math.round((recording.samples.length / recording.sampleRate) * 1000)
}

/** The part between two instants; without them, from the beginning and to the end. */
export function cut(recording: Recording, fromMs = 0, toMs = Number.POSITIVE_INFINITY): Recording {
  const { sampleRate, samples } = recording
  const sampleAt = (ms: number) => Math.min(samples.length, Math.max(0, Math.round((ms * sampleRate) / 1000)))
  return { sampleRate, samples: samples.subarray(sampleAt(fromMs), sampleAt(toMs)) }
}

/** Band-limited interpolation: a sinc of 16 zero crossings under a Hann window. */
export function resample(recording: Recording, sampleRate: number): Recording {
  const reach = 16
  const { samples } = recording
  const step = recording.sampleRate / sampleRate
  const cutoff = Math.min(1, 1 / step)
  const resampled = new Float32Array(Math.round(samples.length / step))
  for (let index = 0; index < resampled.length; index++) {
    const position = index * step
    const first = Math.max(0, Math.ceil(position - reach))
    const last = Math.min(samples.length - 1, Math.floor(position + reach))
    let sum = 0
    for (let neighbour = first; neighbour <= last; neighbour++) {
      const distance = position - neighbour
      const hann = 0.5 + 0.5 * Math.cos((Math.PI * distance) / reach)
      sum += samples[neighbour]! * cutoff * sinc(cutoff * distance) * hann
    }
    resampled[index] = sum
  }
  return { sampleRate, samples: resampled }
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x)
}

function decodeWav(path: string, bytes: Buffer): Recording {
  const refuse = (reason: string): never => {
    throw new Error(`Recording "${path}" cannot be decoded: ${reason}.`)
  }
  if (bytes.toString('latin1', 0, 4) !== 'RIFF' || bytes.toString('latin1', 8, 12) !== 'WAVE') {
    refuse('it is not a WAV file')
  }
  let sampleRate = 0
  // After the 12 bytes of the header come chunks: a name, a length, the content, padded to even.
  for (let at = 12; at + 8 <= bytes.length; ) {
    const name = bytes.toString('latin1', at, at + 4)
    const length = bytes.readUInt32LE(at + 4)
    const content = bytes.subarray(at + 8, at + 8 + length)
    if (content.length < length) refuse(`its "${name}" part ends after ${content.length} of ${length} bytes`)
    if (name === 'fmt ') {
      const [format, channels, bits] = [
        content.readUInt16LE(0),
        content.readUInt16LE(2),
        content.readUInt16LE(14),
      ]
      if (format !== 1 || channels !== 1 || bits !== 16) {
        refuse(
          `it has ${channels} channels of ${bits} bits (format ${format}); only one channel of 16-bit PCM is read`,
        )
      }
      sampleRate = content.readUInt32LE(4)
    }
    if (name === 'data' && sampleRate > 0) {
      const samples = new Float32Array(content.length >> 1)
      for (let index = 0; index < samples.length; index++)
        samples[index] = content.readInt16LE(index * 2) / 32768
      return { sampleRate, samples }
    }
    at += 8 + length + (length % 2)
  }
  return refuse('it has no sound in it')
}
