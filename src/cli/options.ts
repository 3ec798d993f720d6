// Options that several commands have, and how their texts become values.
import { type Command, Option } from 'commander'
import { SchedulerError } from '../core/errors.ts'

export interface DatabaseFlags {
  db?: string
  json?: boolean
}

/** A command about a database. */
export function aboutDatabase(command: Command): Command {
  return command
    .option(
      '--db <file>',
      'database of the run (default: the only one in .plimsoll here or one folder below)',
    )
    .addOption(jsonOption())
}

export function jsonOption(): Option {
  return new Option('--json', 'answer in JSON')
}

/** An option that may be given again and again: a list of its values. */
export function repeated(flags: string, description: string): Option {
  return new Option(flags, description).argParser((value: string, all: string[] = []) => [...all, value])
}

export function gpuOption(description: string): Option {
  return repeated('--gpu <size>', `${description}; again for each further one`)
}

/** Throws BAD_VALUE. */
export function wholeNumber(flag: string, text: string, min: number): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isSafeInteger(value) && value >= min) return value
  throw new SchedulerError(
    'BAD_VALUE',
    `${flag} is "${text}"; it must be a whole number${min > 0 ? ` from ${min}` : ''}.`,
  )
}
