// `make bench`: every benchmark in turn, each in a process of its own; a name as argument runs that one.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'

const wanted = process.argv.slice(2)
const benches = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.bench.ts'))
  .map((file) => file.replace('.bench.ts', ''))
  .filter((name) => (wanted.length > 0 ? wanted.includes(name) : name !== 'policy'))

for (const name of benches) {
  console.log(`\n── ${name} ──`)
  const { status } = spawnSync(process.execPath, [`${import.meta.dirname}/${name}.bench.ts`], {
    stdio: 'inherit',
  })
  if (status !== 0) process.exitCode = 1
}
