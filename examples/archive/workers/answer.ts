// A command for one item: reads one JSON value from standard input, writes one to standard output.
// A failure is one sentence on standard error and exit code 1.
import { json } from 'node:stream/consumers'

export async function answer<Input, Output>(work: (input: Input) => Promise<Output> | Output): Promise<void> {
  try {
    const output = await work((await json(process.stdin)) as Input)
    process.stdout.write(`${JSON.stringify(output)}\n`)
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`)
    process.exitCode = 1
  }
}
