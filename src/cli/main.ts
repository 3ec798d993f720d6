// The command line: parses, calls one file for each command, and turns errors into sentences and exit codes.
// Exit codes: 0 ok, 1 work failed, 2 usage or configuration.

import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { SchedulerError } from '../core/errors.ts'
import { cancelCommand, retryCommand } from './cancel.ts'
import { doctorCommand } from './doctor.ts'
import { exportCommand } from './export.ts'
import { itemsCommand, resultCommand } from './items.ts'
import { modelsCommand } from './models.ts'
import { planCommand } from './plan.ts'
import { runCommand } from './run.ts'
import { simulateCommand } from './simulate.ts'
import { statusCommand } from './status.ts'
import { whyCommand } from './why.ts'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

const program = new Command('plimsoll')
  .description(
    'Runs many models over a stream of work on the GPUs you have: loads them to the line and never past it.',
  )
  .version(version)
  .showHelpAfterError('Run `plimsoll --help` for the commands.')
  .exitOverride()

const commands = [
  runCommand(),
  statusCommand(),
  itemsCommand(),
  resultCommand(),
  whyCommand(),
  cancelCommand(),
  retryCommand(),
  modelsCommand(),
  exportCommand(),
  planCommand(),
  simulateCommand(),
  doctorCommand(),
]
for (const command of commands) {
  const hint = `Run \`plimsoll ${command.name()} --help\` for its arguments and options.`
  program.addCommand(command.exitOverride().showHelpAfterError(hint))
}

// Whoever reads our output has seen enough: `plimsoll export | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
})

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = exitCodeOf(error)
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  const code = error instanceof SchedulerError ? error.code : null
  if (process.argv.includes('--json')) {
    const { message } = error as Error
    const details = error instanceof SchedulerError ? error.details : {}
    process.stdout.write(`${JSON.stringify({ error: { code, message, details } })}\n`)
  } else if (code !== null) {
    process.stderr.write(`${(error as Error).message}\n`)
  } else if ((error as NodeJS.ErrnoException).syscall !== undefined) {
    process.stderr.write(`The system refused: ${(error as Error).message}.\n`)
  } else {
    process.stderr.write(
      `This is a fault of Plimsoll; please report it with what follows.\n${(error as Error).stack ?? error}\n`,
    )
  }
  return error instanceof SchedulerError ? error.exitCode : 1
}
