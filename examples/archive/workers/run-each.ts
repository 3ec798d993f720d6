// Runs a batch one item after another, for models that gain nothing from running items together.
// An item that fails becomes an Error in its own place; the others are not touched by it.

export async function runEach<Input, Output>(
  inputs: Input[],
  work: (input: Input) => Promise<Output>,
): Promise<(Output | Error)[]> {
  const outputs: (Output | Error)[] = []
  for (const input of inputs) {
    try {
      outputs.push(await work(input))
    } catch (error) {
      outputs.push(error instanceof Error ? error : new Error(String(error)))
    }
  }
  return outputs
}
