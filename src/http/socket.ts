// A running daemon's socket. Only the user that runs it may connect: the file is made under a mask that
// allows nobody else, so that there is no moment at which others could. Whoever has the lock of the database
// owns the name of the socket: what a killed run left there is removed.
//
// A client must not harm the run: bodies are bounded, slow ones are cut off, and what goes wrong with one is
// its own affair.
import { lstatSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { OwnerHost } from '../api/host.ts'
import { SchedulerError } from '../core/errors.ts'
import { type ApiResponse, errorResponse, respond } from './routes.ts'
import { shortPath, socketFile } from './socket-path.ts'

/** Bytes of a body at most: ten thousand ids of 100 characters. Chosen. */
const maxBodyBytes = 1 << 20
/** A larger one is read to its end, up to here, so that its sender hears why it is refused. Chosen. */
const maxDroppedBytes = 16 * maxBodyBytes
/** A request must be complete within so many ms. Chosen. */
const requestLimitMs = 10_000
/** A client that does not take its answer holds up the end of the run for so long, ms. Chosen. */
const closeLimitMs = 1000
/** Connections at once; further ones are closed at once. Chosen. */
const maxConnections = 512

export interface ListeningSocket {
  close(): Promise<void>
}

/** Called with the lock of the database held. Throws where the socket cannot be made; the run can go on
 * without it. */
export async function listenOnSocket(host: OwnerHost): Promise<ListeningSocket> {
  const file = socketFile(host.files.database)
  const short = shortPath(file)
  if (short === null) throw new Error(`the path of ${file} is too long for a socket`)
  try {
    removeStale(file)
    const server = createServer((request, response) => void serve(host, request, response))
    server.requestTimeout = requestLimitMs
    server.headersTimeout = requestLimitMs
    server.maxConnections = maxConnections
    await listen(server, short.path)
    return { close: () => close(server).finally(short.close) }
  } catch (error) {
    short.close()
    throw error
  }
}

function removeStale(file: string): void {
  const found = lstatSync(file, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket()) throw new Error(`${file} is in the way, and is no socket`)
  rmSync(file)
}

/** The file is made within `listen` itself, before it returns. */
function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    const mask = process.umask(0o177)
    try {
      server.listen(path, () => {
        server.off('error', reject)
        server.on('error', () => {}) // of a connection that could not be accepted
        resolve()
      })
    } finally {
      process.umask(mask)
    }
  })
}

/** Whoever is being answered gets the answer; others ask the database. */
function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const limit = setTimeout(() => server.closeAllConnections(), closeLimitMs)
    server.close(() => {
      clearTimeout(limit)
      resolve()
    })
  })
}

async function serve(host: OwnerHost, request: IncomingMessage, response: ServerResponse): Promise<void> {
  request.on('error', () => {}) // the client has gone
  response.on('error', () => {})
  try {
    const body = await readBody(request)
    if (body === null) return
    const { method = '', url = '' } = request
    send(response, await respond(host, { method, path: url, body }))
  } catch (error) {
    send(response, errorResponse(error))
  }
}

function send(response: ServerResponse, { status, body }: ApiResponse): void {
  if (response.destroyed) return
  const text = JSON.stringify(body)
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
  response.writeHead(status, headers).end(text)
}

/** null: the client has gone, or was cut off. Throws TOO_LARGE. */
function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = []
  let bytes = 0
  return new Promise((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= maxBodyBytes) chunks.push(chunk)
      else chunks.length = 0
      if (bytes > maxDroppedBytes) request.destroy()
    })
    request.on('end', () => {
      if (bytes <= maxBodyBytes) resolve(Buffer.concat(chunks).toString('utf8'))
      const text = `The body has ${bytes} bytes; at most ${maxBodyBytes} are taken. Ask for fewer items at once.`
      reject(new SchedulerError('TOO_LARGE', text, { bytes, maxBodyBytes }))
    })
    request.on('close', () => resolve(null))
  })
}
