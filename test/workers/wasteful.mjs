// A module that drops something in each batch, and answers how much of it has been collected.
let collected = 0
const registry = new FinalizationRegistry(() => collected++)

export async function load() {}

export async function run(inputs) {
  registry.register({}, '')
  const endMs = performance.now() + 20
  while (performance.now() < endMs); // it computes
  return inputs.map(() => collected)
}
