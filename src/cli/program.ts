// Parses the command line and calls the command it names, whose code alone is loaded.
import { Command, CommanderError } from 'commander'
import { commands } from './commands.ts'

const summary =
  'Runs many models over a stream of work on the GPUs you have: loads them to the line and never past it.'

/** `parsed`: what the process was called with, without the program's own name. Throws what the command
 * throws; what cannot be parsed has been said when a CommanderError comes. */
export async function runProgram(parsed: readonly string[], version: string): Promise<void> {
  const program = new Command('plimsoll')
    .description(summary)
    .version(version)
    .showHelpAfterError('Run `plimsoll --help` for the commands.')
    .exitOverride()
  for (const { name, group, description, arguments: texts = {}, examples, load } of commands) {
    const hint = `Run \`plimsoll ${name} --help\` for its arguments and options.`
    const command = program.command(name).description(description).helpGroup(`${group}:`)
    command.exitOverride().showHelpAfterError(hint)
    for (const [argument, meaning] of Object.entries(texts)) command.argument(argument, meaning)
    command.addHelpText('after', () => `\nExamples:\n${examples.map((each) => `  $ ${each}`).join('\n')}`)
    if (parsed.includes(name)) (await load())(command)
  }
  await program.parseAsync(parsed, { from: 'user' })
}

/** null: it is no error of the command line. */
export function usageExitCode(error: unknown): number | null {
  if (!(error instanceof CommanderError)) return null
  return error.exitCode === 0 ? 0 : 2
}
