// A model in a process of its own. Plimsoll calls `load` once, then `run` with one batch after another.
import { readFile } from 'node:fs/promises'

/** change: open your model here, and return it. */
export async function load() {
  return new Intl.Segmenter('en', { granularity: 'word' })
}

/** change: run your model on a batch. One output for each input, in their order; an Error in an output's place
 * fails that input alone. An input is what `input:` says in pipeline.yaml. */
export async function run(inputs, model) {
  return Promise.all(
    inputs.map(async ({ path }) => {
      const text = await readFile(path, 'utf8')
      const words = [...model.segment(text)].filter(({ isWordLike }) => isWordLike)
      return { words: words.length }
    }),
  )
}
