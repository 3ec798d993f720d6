// `plimsoll doctor`: whether this machine has what Plimsoll needs, each as a line with what to do about it.
import { accessSync, constants, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { totalmem } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Command } from 'commander'
import { formatBytes } from '../core/units.ts'
import { print, printJson } from './output.ts'

interface Finding {
  what: string
  isGood: boolean
  found: string
  /** What to do, where it is not good. */
  advice: string
}

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('check what this machine has')
    .option('--json', 'answer in JSON')
    .action(({ json }: { json?: boolean }) => {
      const findings = [node(), database(), processes(), folder(), memory(), gpus()]
      if (json) printJson(findings)
      else
        for (const { what, isGood, found, advice } of findings)
          print(`${isGood ? 'ok  ' : 'look'}  ${what}: ${found}${isGood ? '' : `. ${advice}`}`)
      if (findings.some(({ isGood }) => !isGood)) process.exitCode = 1
    })
}

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const isGood = major > 24 || (major === 24 && minor >= 15)
  return {
    what: 'Node',
    isGood,
    found: process.version,
    advice: 'Install Node 24.15 or newer, or run `npm ci` here.',
  }
}

function database(): Finding {
  const folder = mkdtempSync('.plimsoll-doctor-')
  try {
    const db = new DatabaseSync(join(folder, 'probe.db'))
    const { journal_mode: mode } = db.prepare('PRAGMA journal_mode = WAL').get() as { journal_mode: string }
    const { version } = db.prepare('SELECT sqlite_version() AS version').get() as { version: string }
    db.close()
    return {
      what: 'SQLite',
      isGood: mode === 'wal',
      found: version,
      advice: 'This disk has no WAL; use a local one with --db.',
    }
  } catch (error) {
    return {
      what: 'SQLite',
      isGood: false,
      found: (error as Error).message,
      advice: 'Use a local, writable disk with --db.',
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function processes(): Finding {
  const isGood = process.platform !== 'linux' || readdirSync('/proc').includes(String(process.pid))
  return {
    what: 'process list',
    isGood,
    found: isGood ? 'readable' : '/proc is hidden',
    advice: 'Mount /proc without hidepid; memory of workers is read there.',
  }
}

function folder(): Finding {
  try {
    accessSync('.', constants.W_OK)
    return { what: 'folder', isGood: true, found: 'writable', advice: '' }
  } catch {
    return {
      what: 'folder',
      isGood: false,
      found: 'not writable',
      advice: 'Name a database elsewhere with --db.',
    }
  }
}

function memory(): Finding {
  return { what: 'memory', isGood: true, found: `${formatBytes(totalmem())} RAM`, advice: '' }
}

/** NVIDIA and AMD are not measured yet: a card is declared with `kind: static`. */
function gpus(): Finding {
  const cards = ['/dev/nvidia0', '/dev/kfd'].filter((path) => {
    try {
      accessSync(path, constants.F_OK)
      return true
    } catch {
      return false
    }
  })
  const found =
    cards.length > 0
      ? `${cards.join(', ')}; declare its memory with kind: static`
      : 'none; kind: host makes RAM a device'
  return { what: 'GPU', isGood: true, found, advice: '' }
}
