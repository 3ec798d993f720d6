// Parses the command line and calls the command it names, whose code alone is loaded.
import { Command, CommanderError } from 'commander'
import { commands } from './commands.ts'
import { helpText, summary } from './help.ts'

/** `parsed`: what the process was called with, without the program's own name. Throws what the command
 * throws; what cannot be parsed has been said when a CommanderError comes. */
export async function runProgram(parsed: readonly string[], version: string): Promise<void> {
  const program = new Command('plimsoll')
    .description(summary)
    .version(version)
    .showHelpAfterError('Run `plimsoll --help` for the commands.')
    .exitOverride()
  const help = () => helpText(process.stdout.columns ?? 80)
  program.helpInformation = help
  for (const { name, description, arguments: texts = {}, load } of commands) {
    const hint = `Run \`plimsoll ${name} --help\` for its arguments and options.`
    const command = program.command(name).description(description).exitOverride().showHelpAfterError(hint)
    for (const [argument, meaning] of Object.entries(texts)) command.argument(argument, meaning)
    if (parsed.includes(name)) (await load())(command)
  }
  await program.parseAsync(parsed, { from: 'user' })
}

/** null: it is no error of the command line. */
export function usageExitCode(error: unknown): number | null {
  if (!(error instanceof CommanderError)) return null
  return error.exitCode === 0 ? 0 : 2
}
