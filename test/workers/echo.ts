export async function load({ options }: { options: { fail?: boolean } }) {
  console.log('a print of the model')
  if (options.fail) throw new Error('no weights')
  return options
}

export function run(inputs: unknown[]) {
  process.stdout.write('{ this looks like an answer\n')
  return inputs.map((each) => (each === 'bad' ? new Error('cannot') : each))
}
