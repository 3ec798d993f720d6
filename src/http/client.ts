// Asks the daemon that runs on a database, through its socket.
import { request } from 'node:http'
import { basePath } from '../api/use-case.ts'
import { type ErrorCode, errorKinds, SchedulerError } from '../core/errors.ts'
import { shortPath, socketFile } from './socket-path.ts'

/** A daemon answers within milliseconds; one that takes so long has been stopped, or waits for its disk, ms. Chosen. */
const answerLimitMs = 4000

export type Reply =
  | { type: 'answer'; answer: unknown }
  /** Nobody listens: there is no socket, or a killed run has left it. */
  | { type: 'nobody' }
  /** Somebody does, and does not answer in time. */
  | { type: 'silent' }

/** Throws the error that the daemon answers with. */
export async function askDaemon(database: string, name: string, input: unknown): Promise<Reply> {
  const short = shortPath(socketFile(database))
  if (short === null) return { type: 'nobody' }
  try {
    const { status, body } = await post(short.path, basePath + name, JSON.stringify(input))
    const value = JSON.parse(body)
    if (status === 200) return { type: 'answer', answer: value }
    throw errorOf(value)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // EAGAIN: so many wait for it that it can take no more.
    if (code === 'ETIMEDOUT' || code === 'EAGAIN') return { type: 'silent' }
    // Where it ends while it is asked, nobody is there any more: what it did is in the database.
    if (['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'EACCES'].includes(code ?? ''))
      return { type: 'nobody' }
    throw error
  } finally {
    short.close()
  }
}

function post(socketPath: string, path: string, body: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const asked = request({ socketPath, path, method: 'POST', headers, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => {
        text += part
      })
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }))
    })
    asked.on('error', reject)
    asked.setTimeout(answerLimitMs, () => {
      asked.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' }))
    })
    asked.end(body)
  })
}

function errorOf({
  error,
}: {
  error: { code: string | null; message: string; details: Record<string, unknown> }
}): Error {
  const { code, message, details } = error
  return code !== null && code in errorKinds
    ? new SchedulerError(code as ErrorCode, message, details)
    : new Error(message)
}
