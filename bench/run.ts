// `make bench`: every benchmark in turn, each in a process of its own; names as arguments run those, in that
// order. Those that judge the policy have a target of their own, `make bench-policy`.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'

const ofThePolicy = ['policy', 'laws', 'tiny', 'spread', 'fuzz']

const known = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.bench.ts'))
  .map((file) => file.replace('.bench.ts', ''))
const wanted = process.argv.slice(2)
const benches =
  wanted.length > 0
    ? wanted.filter((name) => known.includes(name))
    : known.filter((name) => !ofThePolicy.includes(name))

for (const name of benches) {
  console.log(`\n── ${name} ──`)
  const { status } = spawnSync(process.execPath, [`${import.meta.dirname}/${name}.bench.ts`], {
    stdio: 'inherit',
  })
  if (status !== 0) process.exitCode = 1
}
