// The command line: parses, calls one file for each command, and turns errors into sentences and exit codes.
// Exit codes: 0 ok, 1 work failed, 2 usage or configuration.
import { readFileSync } from 'node:fs'
import { printable } from './cells.ts'
import { runProgram, usageExitCode } from './program.ts'
import { watchStreams } from './streams.ts'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

watchStreams()
const parsed = process.argv.slice(2)
try {
  await runProgram(parsed, version)
} catch (error) {
  process.exitCode = usageExitCode(error) ?? (await report(error))
}

/** Says what is wrong; answers with the exit code. */
async function report(error: unknown): Promise<number> {
  const { SchedulerError } = await import('../core/errors.ts')
  const { message, stack, syscall } = error as NodeJS.ErrnoException
  const known = error instanceof SchedulerError ? error : null
  if (parsed.includes('--json')) {
    const { code = null, details = {} } = known ?? {}
    process.stdout.write(`${JSON.stringify({ error: { code, message, details } })}\n`)
  } else if (known) process.stderr.write(`${printable(message)}\n`)
  else if (syscall !== undefined) process.stderr.write(`The system refused: ${message}.\n`)
  else
    process.stderr.write(
      `This is a fault of Plimsoll; please report it with what follows.\n${stack ?? error}\n`,
    )
  return known?.exitCode ?? 1
}
