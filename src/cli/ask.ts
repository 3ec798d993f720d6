// Asks a use case for a command: the daemon that runs on the database, if there is one, else the database.
import { existsSync } from 'node:fs'
import { type AtRest, changeAtRest, readAtRest } from '../api/at-rest.ts'
import type { Effect, UseCase } from '../api/use-case.ts'
import { SchedulerError } from '../core/errors.ts'
import { socketFile } from '../http/socket-path.ts'
import { findDatabase } from '../record/files.ts'
import type { DatabaseFlags } from './options.ts'

/** The database of `--db`, or of a pipeline that the command names. */
export type Target = Pick<DatabaseFlags, 'db'> | AtRest

/** Throws BAD_VALUE where it is not clear which database is meant, NO_ANSWER, and what the use case
 * throws. */
export async function ask<Input, Answer>(
  useCase: UseCase<Input, Answer>,
  input: Input,
  target: Target,
): Promise<Answer> {
  const at = 'files' in target ? target : { files: findDatabase(target.db), pipeline: null }
  if (useCase.effect !== 'computes' && existsSync(socketFile(at.files.database))) {
    const { askDaemon } = await import('../http/client.ts')
    const reply = await askDaemon(at.files.database, useCase.name, input)
    if (reply.type === 'answer') return (await useCase.schemas()).answer.parse(reply.answer)
    if (reply.type === 'silent') await warnOfSilence(useCase.effect, at)
  }
  if (useCase.effect === 'changes') return changeAtRest(at, (host) => useCase.answerOf(host, input))
  return readAtRest(at, (host) => useCase.answerOf(host, input))
}

/** Throws NO_ANSWER where the database alone cannot answer. */
async function warnOfSilence(effect: Effect, { files }: AtRest): Promise<void> {
  const { readLastRun } = await import('../record/last-run.ts')
  const pid = readLastRun(files)?.pid ?? null
  const who = `The run of ${files.database}${pid === null ? '' : ` (process ${pid})`} does not answer`
  if (effect === 'changes')
    throw new SchedulerError(
      'NO_ANSWER',
      `${who}. It may have been stopped; let it go on, or end it, and look with \`plimsoll status\` what became of this.`,
      { pid },
    )
  process.stderr.write(`${who}; what follows is from its database.\n`)
}
