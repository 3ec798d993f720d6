// Starts the command line: from source where that is here, else from dist/. Code that an earlier start compiled is kept in the
// user's cache folder; starts with it take a third of the time. It is taken only from a folder that nobody else can write
// to: who can write there can run code as this user. Where there is no such folder, all works as well, only slower.
import { existsSync, mkdirSync, statSync } from 'node:fs'
import module from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

function privateFolder() {
  try {
    const home = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
    const folder = join(home, 'plimsoll')
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const isOurs = (path) => {
      const { uid, mode } = statSync(path)
      return uid === (process.getuid?.() ?? uid) && (mode & 0o022) === 0
    }
    return isOurs(home) && isOurs(folder) ? folder : null
  } catch {
    return null // no home, or a read-only one
  }
}

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(
    `Plimsoll needs Node 20.19 or newer, and this is Node ${process.versions.node}. Install a newer one.`,
  )
  process.exit(2)
}

// That Node calls its SQLite experimental is no news for people.
const [printWarning] = process.listeners('warning')
process.removeAllListeners('warning')
process.on('warning', (warning) => {
  if (warning.name !== 'ExperimentalWarning') printWarning?.(warning)
})

const folder = privateFolder()
if (folder !== null) module.enableCompileCache?.(folder)
const source = new URL('../src/cli/main.ts', import.meta.url)
await import(existsSync(source) ? source : new URL('../dist/cli/main.js', import.meta.url))
