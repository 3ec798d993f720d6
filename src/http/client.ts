// Asks the daemon that runs on a database, through its socket.
import { createConnection } from 'node:net'
import { basePath } from '../api/use-case.ts'
import { type ErrorCode, errorKinds, SchedulerError } from '../core/errors.ts'
import { shortPath, socketFile } from './socket-path.ts'

/** A daemon answers within milliseconds; one that takes so long has been stopped, or waits for its disk, ms.
 * Chosen. */
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

/** HTTP/1.0 by hand: the answer ends with its connection. node:http takes longer to load than the rest of a
 * command. */
function post(socketPath: string, path: string, body: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = createConnection(socketPath)
    socket.setTimeout(answerLimitMs, () => {
      socket.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' }))
    })
    socket.on('error', reject)
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('end', () => {
      const text = Buffer.concat(chunks).toString('utf8')
      const [head = '', answer = ''] = cut(text, '\r\n\r\n')
      const status = Number(/^HTTP\/1\.\d (\d{3})/.exec(head)?.[1])
      const bytes = Number(/^content-length: (\d+)/im.exec(head)?.[1])
      if (status > 0 && Buffer.byteLength(answer) === bytes) resolve({ status, body: answer })
      else reject(Object.assign(new Error('the answer was cut off'), { code: 'ECONNRESET' }))
    })
    const head = `POST ${path} HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`
    socket.write(`${head}\r\n${body}`)
  })
}

function cut(text: string, mark: string): [string, string] | [string] {
  const at = text.indexOf(mark)
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + mark.length)]
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
