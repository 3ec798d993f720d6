// The files of a journal, which is the event log of all runs of one database. A file is closed at a size, and
// the journal goes on in the next one, which begins with a snapshot; so the last file alone tells the
// present. What is too much in all goes from the front, oldest first: then the first file that is left is
// where the knowledge of its readers begins.
//
//   archive.record.jsonl      written by an older Plimsoll, which had one file; read first
//   archive.journal.jsonl     the first
//   archive.journal.2.jsonl   the next, and so on
import { readdirSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

const ending = '.journal.jsonl'
const olderEnding = '.record.jsonl'

/** Those that there are, oldest first. `journal`: the name of the first, which may be gone. */
export function journalFiles(journal: string): string[] {
  const folder = dirname(journal)
  const found = namesIn(folder).flatMap((name) => {
    const number = numberOf(name, basename(journal, ending))
    return number === null ? [] : [{ file: join(folder, name), number }]
  })
  return found.sort((a, b) => a.number - b.number).map(({ file }) => file)
}

export function hasJournal(journal: string): boolean {
  return journalFiles(journal).length > 0
}

/** Where the next run is written: in the last file, as long as it is small and not of an older Plimsoll. */
export function fileForRun(journal: string, fullBytes: number): string {
  const last = journalFiles(journal).at(-1)
  const goesOn = last !== undefined && !last.endsWith(olderEnding) && sizeOf(last) < fullBytes
  return goesOn ? last : nextJournalFile(journal)
}

/** Where the journal goes on after its last file. */
export function nextJournalFile(journal: string): string {
  const last = journalFiles(journal).at(-1)
  const number = last === undefined ? 1 : numberOf(basename(last), basename(journal, ending))! + 1
  return number === 1 ? journal : journal.replace(ending, `.journal.${number}.jsonl`)
}

/** Removes the oldest files while all together are larger; the last one stays. */
export function dropOldest(journal: string, maxBytes: number): void {
  const files = journalFiles(journal).map((file) => ({ file, bytes: sizeOf(file) }))
  let sumBytes = files.reduce((sum, { bytes }) => sum + bytes, 0)
  for (const { file, bytes } of files.slice(0, -1)) {
    if (sumBytes <= maxBytes) return
    rmSync(file, { force: true })
    sumBytes -= bytes
  }
}

export function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** null: it is no file of this journal. */
function numberOf(name: string, stem: string): number | null {
  if (!name.startsWith(`${stem}.`)) return null
  const rest = name.slice(stem.length)
  if (rest === olderEnding) return 0
  if (rest === ending) return 1
  const match = /^\.journal\.(\d{1,9})\.jsonl$/.exec(rest)
  return match ? Number(match[1]) : null
}
