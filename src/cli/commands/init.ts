// `plimsoll init [FOLDER]`: a first pipeline of one's own, with a worker and two inputs, that runs as it is.
// What is written stands in templates/.
import { constants, copyFileSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Command, Option } from 'commander'
import { SchedulerError } from '../../core/errors.ts'
import { jsonOption } from '../options.ts'
import { print, printJson } from '../output.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))

interface Flags {
  python?: boolean
  json?: boolean
}

export function initCommand(command: Command): void {
  command
    .option('--node', 'a worker in JavaScript (default: it runs wherever Plimsoll does)')
    .addOption(new Option('--python', 'a worker in Python').conflicts('node'))
    .addOption(jsonOption())
    .action(init)
}

function init(folder = '.', { python = false, json = false }: Flags): void {
  const sources = sourcesOf(python ? 'python' : 'node')
  const known = [...sources.keys()].filter((name) => existsSync(join(folder, name)))
  if (known.length > 0)
    throw new SchedulerError(
      'BAD_VALUE',
      `Nothing is written: ${known.join(', ')} ${known.length === 1 ? 'is' : 'are'} in ${folder} already. Name another folder: plimsoll init FOLDER.`,
      { folder, known },
    )
  for (const [name, source] of sources) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    copyFileSync(source, join(folder, name), constants.COPYFILE_EXCL)
  }
  const files = [...sources.keys()].map((name) => join(folder, name))
  const next = `plimsoll run ${join(folder, 'pipeline.yaml')}`
  if (json) printJson({ files, next })
  else print(`${files.map((file) => `wrote  ${file}`).join('\n')}\nIt runs as it is: ${next}`)
}

/** Files by the name that they get, with those that they are copies of. */
function sourcesOf(language: 'node' | 'python'): Map<string, string> {
  const template = join(root, 'templates', language)
  const entries = readdirSync(template, { recursive: true, withFileTypes: true })
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
  const sources = new Map(files.sort().map((file) => [file.slice(template.length + 1), file]))
  if (language === 'python')
    sources.set('plimsoll_worker.py', join(root, 'workers/python/plimsoll_worker.py'))
  return sources
}
