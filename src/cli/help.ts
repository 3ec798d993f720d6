// What `plimsoll --help` prints, from the table of commands alone.
import { commands } from './commands.ts'

export const summary =
  'Runs many models over a stream of work on the GPUs you have: loads them to the line and never past it.'

const options = [
  ['-V, --version', 'output the version number'],
  ['-h, --help', 'display help for command'],
] as const

export function helpText(width: number): string {
  const calls = commands.map((each) => {
    const call = [each.name, '[options]', ...Object.keys(each.arguments ?? {})].join(' ')
    return [call, each.description] as const
  })
  const listed = [...calls, ['help [command]', 'display help for command'] as const]
  const cells = Math.max(...listed.map(([call]) => call.length))
  const lines = (rows: readonly (readonly [string, string])[]) =>
    rows.flatMap(([term, text]) =>
      wrapped(text, Math.max(20, width - cells - 4)).map(
        (line, index) => `  ${(index === 0 ? term : '').padEnd(cells)}  ${line}`,
      ),
    )
  return [
    'Usage: plimsoll [options] [command]',
    '',
    ...wrapped(summary, width),
    '',
    'Options:',
    ...lines(options),
    '',
    'Commands:',
    ...lines(listed),
    '',
  ].join('\n')
}

/** Lines of whole words, each of at most `width` characters where its words allow it. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}
