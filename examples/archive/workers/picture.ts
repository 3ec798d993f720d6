// Reads and decodes pictures (PNG, JPEG, WebP, …) with sharp, one thread and no cache, so that the
// memory of a worker is that of its model and the pixels do not depend on the machine.
// A missing or damaged file is an error of one item, told in a sentence.
import { readFile } from 'node:fs/promises'
import sharp, { type Sharp } from 'sharp'

sharp.concurrency(1)
sharp.cache(false)

export interface PictureInput {
  /** Path of the file, relative to the pipeline's folder. */
  path: string
}

/** Red, green and blue, one byte each, row by row. */
export interface Pixels {
  data: Uint8Array
  width: number
  height: number
}

/** The bytes of the file, not decoded. */
export async function readPicture(path: string): Promise<Buffer> {
  if (typeof path !== 'string') throw new Error('A picture needs an input { "path": "…" }.')
  try {
    return await readFile(path)
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw new Error(`Picture "${path}" cannot be read: ${missing ? 'there is no such file' : error}.`)
  }
}

/** Decoded pixels, after the changes that `prepare` asks for (a size, for example). */
export async function decodePicture(
  path: string,
  prepare: (picture: Sharp) => Sharp = (picture) => picture,
): Promise<Pixels> {
  const bytes = await readPicture(path)
  return namingThePicture(path, async () => {
    const rgb = prepare(sharp(bytes)).flatten({ background: 'white' }).toColourspace('srgb').removeAlpha()
    const { data, info } = await rgb.raw().toBuffer({ resolveWithObject: true })
    return { data, width: info.width, height: info.height }
  })
}

/** Does `work`; a failure is told as one of this picture. */
export async function namingThePicture<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`Picture "${path}" cannot be decoded: ${reason}.`, { cause: error })
  }
}
