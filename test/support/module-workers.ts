// Module workers as people write them: in each ending, and what they import written the other way than the
// package.json beside them says. Each doubles a text and puts its suffix after it.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What the nearest package.json says. */
export const packageTypes = ['none', 'module', 'commonjs'] as const
type PackageType = (typeof packageTypes)[number]

const esm = `import { basename } from 'node:path'
import { double } from './lib/double.js'
export function load({ options }) { return options.suffix }
export async function run(inputs, suffix) { return inputs.map((each) => basename(double(each)) + suffix) }
`
const typed = `import { basename } from 'node:path'
import { double } from './lib/typed.ts'
interface Options { suffix: string }
export function load({ options }: { options: Options }): string { return options.suffix }
export async function run(inputs: string[], suffix: string) { return inputs.map((each) => basename(double(each)) + suffix) }
`
const cjs = `const { basename } = require('node:path')
const { double } = require('./lib/double.js')
module.exports = {
  load: ({ options }) => options.suffix,
  run: async (inputs, suffix) => inputs.map((each) => basename(double(each)) + suffix),
}
`
const cjsTyped = cjs.replace('(inputs, suffix)', '(inputs: string[], suffix: string)')

const sources: [string, string][] = [
  ['w.ts', typed],
  ['w.mts', typed],
  ['w.js', esm],
  ['w.mjs', esm],
  ['w.cjs', cjs],
  ['common.js', cjs],
  ['common.ts', cjsTyped],
  [
    'default.js',
    'const load = ({ options }) => options.suffix\nexport default { load, run: (inputs, suffix) => inputs.map((each) => each + each + suffix) }\n',
  ],
]

export const moduleWorkers = sources.map(([file]) => file)

export function writeModuleWorkers(folder: string, type: PackageType): void {
  mkdirSync(join(folder, 'lib'))
  writeFileSync(join(folder, 'package.json'), JSON.stringify(type === 'none' ? {} : { type }))
  const double =
    type === 'module' ? 'exports.double = (x) => x + x\n' : 'export const double = (x) => x + x\n'
  writeFileSync(join(folder, 'lib/double.js'), double)
  writeFileSync(join(folder, 'lib/typed.ts'), 'export const double = (x: string): string => x + x\n')
  for (const [file, source] of sources) writeFileSync(join(folder, file), source)
}
