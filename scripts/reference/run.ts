// `npm run reference`: installs what the reference is made with, where that has not been done, and makes it.
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'

const here = import.meta.dirname
const wanted = join(here, 'package-lock.json')
const installed = join(here, 'node_modules/.package-lock.json')

if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(wanted).mtimeMs) {
  const options = ['ci', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error']
  const { status } = spawnSync('npm', options, { cwd: here, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}
await import('./reference.ts')
