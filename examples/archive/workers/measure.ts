// measure: width, height and format of a picture; a plain command, no model.
// One JSON value in on standard input, { "path" }; one out on standard output.
import sharp from 'sharp'
import { answer } from './answer.ts'
import { namingThePicture, type PictureInput, readPicture } from './picture.ts'

await answer(async ({ path }: PictureInput) => {
  const bytes = await readPicture(path)
  const { width, height, format } = await namingThePicture(path, () => sharp(bytes).metadata())
  return { width, height, format, sizeBytes: bytes.length }
})
