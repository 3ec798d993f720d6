// What can be asked of Plimsoll is a list of use cases: a name, the schema of the input, the schema of the
// answer, and a function from a host and an input to an answer. Everybody who asks goes by that list: the
// command line, the socket of a running daemon, and the documentation of the JSON.
//
// The effect says where a use case may be carried out:
//   reads     by any host: a running daemon, or a database beside it or after it
//   changes   by the owner of the database alone: the running daemon, or whoever opens the database while
//             nobody runs it
//   computes  by the process that asks, since it takes seconds of CPU that a running daemon does not have
import type { z } from 'zod'
import { SchedulerError } from '../core/errors.ts'
import type { Host, OwnerHost } from './host.ts'

/** What the paths of use cases begin with. */
export const basePath = '/api/v1/'

interface Described<Input, Answer> {
  /** The end of its path over HTTP. */
  name: string
  /** One sentence for people. */
  description: string
  /** Loaded when they are asked for: what checks takes longer to load than Node itself. */
  schemas(): Promise<Schemas<Input, Answer>>
}

interface Schemas<Input, Answer> {
  input: z.ZodType<Input>
  answer: z.ZodType<Answer>
}

export interface ReadingUseCase<Input, Answer> extends Described<Input, Answer> {
  effect: 'reads' | 'computes'
  answerOf(host: Host, input: Input): Promise<Answer>
}

export interface ChangingUseCase<Input, Answer> extends Described<Input, Answer> {
  effect: 'changes'
  answerOf(host: OwnerHost, input: Input): Promise<Answer>
}

export type Effect = 'reads' | 'computes' | 'changes'

export type UseCase<Input, Answer> = ReadingUseCase<Input, Answer> | ChangingUseCase<Input, Answer>

/** The input as it was sent, checked. Throws BAD_VALUE with every fault: what it is of, and what is wrong
 * with it. */
export async function parseInput<Input>(useCase: UseCase<Input, unknown>, value: unknown): Promise<Input> {
  const { input } = await useCase.schemas()
  const parsed = input.safeParse(value)
  if (parsed.success) return parsed.data
  const faults = parsed.error.issues.map(({ path, message }) =>
    [path.join('.'), message].filter(Boolean).join(': '),
  )
  const text = `The input of ${useCase.name} is wrong: ${faults.join('; ')}.`
  throw new SchedulerError('BAD_VALUE', text, { faults })
}
