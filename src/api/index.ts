// The table of use cases: what can be asked, by name. The socket of a running daemon and the documentation go
// by it; the command line names them one by one, so that a command loads its own code only.
import { cancel } from './cancel.ts'
import { items } from './items.ts'
import { models } from './models.ts'
import { plan } from './plan.ts'
import { result } from './result.ts'
import { retry } from './retry.ts'
import { status } from './status.ts'
import type { UseCase } from './use-case.ts'
import { why } from './why.ts'

// biome-ignore lint/suspicious/noExplicitAny: each has its own input and answer, which its schemas check.
export const useCases: readonly UseCase<any, any>[] = [
  status,
  items,
  result,
  why,
  cancel,
  retry,
  models,
  plan,
]
