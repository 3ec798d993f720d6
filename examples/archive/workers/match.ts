// match: the three texts that come closest to each question; a plain command, no model.
// The vectors have length 1, so the cosine of the angle between two is their inner product.
import { answer } from './answer.ts'

interface Embedded {
  text: string
  vector: number[]
}

/** A step's outputs over the whole run; a source that skipped the step has none. */
type Gathered = { source: { name?: string }; output: Embedded | null }[]

interface Match {
  text: string
  /** The file in which the text was found. */
  source: string
  /** Cosine, -1 to 1, three decimals. */
  score: number
}

const matchCount = 3

await answer(({ questions, texts }: { questions: Gathered; texts: Gathered }) => ({
  answers: questions.flatMap(({ output }) => (output ? [answerTo(output, texts)] : [])),
}))

function answerTo(question: Embedded, texts: Gathered) {
  const matches = texts
    .flatMap(({ source, output }) => (output ? [toMatch(question, source.name ?? '', output)] : []))
    .sort((a, b) => b.score - a.score || (a.source < b.source ? -1 : 1))
    .slice(0, matchCount)
  return { question: question.text, best: matches[0] ?? null, matches }
}

function toMatch(question: Embedded, source: string, { text, vector }: Embedded): Match {
  const cosine = vector.reduce((sum, value, index) => sum + value * question.vector[index]!, 0)
  return { text, source, score: Number(cosine.toFixed(3)) }
}
