// Standard output and standard error as they may go wrong while a command writes to them: a reader that has
// gone (`plimsoll items | head`), a full disk. What could not be written is no success: the exit code says
// it.

/** Whether a command ends when nobody reads what it prints. */
let endsWithoutReader = true
let isLost = false

/** The command does more than print: it goes on when nobody reads it. */
export function goOnWithoutReader(): void {
  endsWithoutReader = false
}

export function watchStreams(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') {
      if (endsWithoutReader) process.exit() // whoever reads it has seen enough
      return
    }
    if (isLost) return
    isLost = true
    process.stderr.write(`What was printed is lost: ${error.message}.\n`)
  })
  process.stderr.on('error', () => {}) // there is nobody left to tell
  process.on('exit', () => {
    if (isLost && !process.exitCode) process.exitCode = 1
  })
}
