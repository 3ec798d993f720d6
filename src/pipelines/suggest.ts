// The nearest of the names that are known, for a name that is not: within two edits, one where it is short.
// Chosen, not measured: farther away, suggestions mislead more than they help.

/** `; did you mean "ocr"?` for the nearest known name, when it is near. */
export function suggest(name: string, known: readonly string[]): string {
  const near = known
    .map((each) => ({ each, distance: editDistance(name.toLowerCase(), each.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0]
  const most = Math.min(name.length - 1, name.length < 4 ? 1 : 2)
  return near && near.distance <= most ? `; did you mean "${near.each}"?` : ''
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
    }
    row = next
  }
  return row[b.length]!
}
