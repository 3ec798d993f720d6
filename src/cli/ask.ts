// Asks a use case for a command.
import { type AtRest, changeAtRest, readAtRest } from '../api/at-rest.ts'
import { parseInput, type UseCase } from '../api/use-case.ts'
import { findDatabase } from '../record/files.ts'
import type { DatabaseFlags } from './options.ts'

/** The database of `--db`, or of a pipeline that the command names. */
export type Target = Pick<DatabaseFlags, 'db'> | AtRest

/** Throws BAD_VALUE for a wrong input and where it is not clear which database is meant, and what the use case throws. */
export async function ask<Input, Answer>(
  useCase: UseCase<Input, Answer>,
  input: Input,
  target: Target,
): Promise<Answer> {
  const checked = parseInput(useCase, input)
  const at = 'files' in target ? target : { files: findDatabase(target.db), pipeline: null }
  if (useCase.effect === 'changes') return changeAtRest(at, (host) => useCase.answerOf(host, checked))
  return readAtRest(at, (host) => useCase.answerOf(host, checked))
}
