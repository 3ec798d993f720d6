// What a running daemon answers to a request over HTTP: `POST /api/v1/<use case>` with the input as JSON, the
// answer as JSON, and errors as `{ error: { code, message, retryable, details } }` with the status of the
// table of errors. It knows no socket and no port, so it is tested without one.
import type { OwnerHost } from '../api/host.ts'
import { useCases } from '../api/index.ts'
import { basePath, parseInput } from '../api/use-case.ts'
import { SchedulerError } from '../core/errors.ts'

export interface ApiRequest {
  method: string
  /** With the query, if it has one. */
  path: string
  body: string
}

export interface ApiResponse {
  status: number
  body: unknown
}

/** Never rejects. */
export async function respond(host: OwnerHost, request: ApiRequest): Promise<ApiResponse> {
  try {
    return { status: 200, body: await answer(host, request) }
  } catch (error) {
    return errorResponse(error)
  }
}

export function errorResponse(error: unknown): ApiResponse {
  const { message } = error as Error
  if (!(error instanceof SchedulerError))
    return { status: 500, body: { error: { code: null, message, retryable: false, details: {} } } }
  const { code, retryable, details, httpStatus } = error
  return { status: httpStatus, body: { error: { code, message, retryable, details } } }
}

async function answer(host: OwnerHost, { method, path, body }: ApiRequest): Promise<unknown> {
  const name = path.startsWith(basePath) ? path.slice(basePath.length) : null
  const useCase = useCases.find((each) => each.name === name)
  if (useCase === undefined || useCase.effect === 'computes') {
    const known = useCases.filter(({ effect }) => effect !== 'computes').map((each) => basePath + each.name)
    throw new SchedulerError('UNKNOWN_PATH', `Nothing is at ${path}. Ask ${known.join(', ')}.`)
  }
  if (method !== 'POST')
    throw new SchedulerError(
      'BAD_VALUE',
      `${path} is asked with POST and its input as JSON, not with ${method}.`,
    )
  return useCase.answerOf(host, await parseInput(useCase, parseBody(body)))
}

function parseBody(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch (error) {
    throw new SchedulerError('BAD_VALUE', `The body is no JSON: ${(error as Error).message}.`)
  }
}
