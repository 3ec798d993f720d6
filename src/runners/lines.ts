// Chunks of bytes into lines, with a bound: a worker that never ends its line must not fill our memory.

export class LineReader {
  readonly #maxBytes: number
  readonly #onLine: (line: string) => void
  readonly #onTooLong: () => void
  #chunks: Buffer[] = []
  #heldBytes = 0

  constructor(maxBytes: number, onLine: (line: string) => void, onTooLong: () => void) {
    this.#maxBytes = maxBytes
    this.#onLine = onLine
    this.#onTooLong = onTooLong
  }

  push(chunk: Buffer): void {
    let from = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      this.#hold(chunk.subarray(from, end))
      const line = Buffer.concat(this.#chunks).toString('utf8')
      this.#chunks = []
      this.#heldBytes = 0
      this.#onLine(line)
      from = end + 1
    }
    this.#hold(chunk.subarray(from))
    if (this.#heldBytes > this.#maxBytes) {
      this.#chunks = []
      this.#heldBytes = 0
      this.#onTooLong()
    }
  }

  #hold(part: Buffer): void {
    if (part.length === 0) return
    this.#chunks.push(part)
    this.#heldBytes += part.length
  }
}
