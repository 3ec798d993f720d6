// The models of a pipeline: what is declared, what runs have learned of them, and what the last one measured.
import { SchedulerError } from '../core/errors.ts'
import type { Answer, Input } from './schemas/models.ts'
import type { ReadingUseCase } from './use-case.ts'

export const models: ReadingUseCase<Input, Answer> = {
  name: 'models',
  description: 'The models of a pipeline: what is declared, learned and measured of each.',
  schemas: () => import('./schemas/models.ts'),
  effect: 'reads',
  async answerOf(host) {
    if (host.pipeline === null)
      throw new SchedulerError('BAD_VALUE', 'The models of which pipeline? Name its file.')
    const measuredById = await host.measured()
    const learned = new Map((await host.profiles()).map((each) => [each.modelId, each.footprints]))
    return host.pipeline.models.map((each) => ({
      ...each,
      vramBytes: each.isSized ? each.vramBytes : null,
      learned: [...(learned.get(each.id) ?? [])],
      measured: measuredById.get(each.id) ?? null,
    }))
  },
}
