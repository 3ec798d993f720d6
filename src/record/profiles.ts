// The profiles of a pipeline's models, kept beside its database, so that the next run begins with what this
// one learned. A profile is of a model as it is declared and started: one that has changed is learned anew.
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { z } from 'zod'
import type { Model, ModelId } from '../core/model.ts'
import { type ModelProfile, profilesOf } from '../core/state/profile.ts'
import type { State } from '../core/state/state.ts'
import type { RunnerSpec } from '../runners/runner.ts'

const amount = z.number().nonnegative()
const active = z.object({ itemCount: amount, seenCount: amount, bytes: amount, batchCount: amount })
const footprint = z.object({
  kind: z.string(),
  residentBytes: amount,
  residentCount: amount,
  loadingBytes: amount,
  active: z.array(active),
  errorRatio: amount,
})
const limit = z.object({
  kind: z.string(),
  isForMemory: z.boolean(),
  itemCount: z.number().int().positive(),
  cleanCount: amount,
  beforeCount: amount.nullable(),
})
const profileFile = z.object({
  version: z.literal(1),
  models: z.array(
    z.object({
      modelId: z.string(),
      /** What the profile is of. */
      declaration: z.string(),
      footprints: z.array(footprint),
      batchLimits: z.array(limit),
      pace: z.object({ ratio: amount, batchCount: amount }),
      load: z.object({ expectedMs: amount, sampleCount: amount }),
    }),
  ),
})

type Declared = { models: readonly Model[]; runnerSpecs: ReadonlyMap<ModelId, RunnerSpec> }

/** Profiles of models that are declared as they were. A file that cannot be read is none: all is learned
 * anew. */
export function readProfiles(file: string, declared: Declared): ModelProfile[] {
  if (!existsSync(file)) return []
  try {
    const { models } = profileFile.parse(JSON.parse(readFileSync(file, 'utf8')))
    const known = new Map(declared.models.map((model) => [model.id, declarationOf(model, declared)]))
    return models.flatMap(({ declaration, ...profile }) =>
      known.get(profile.modelId) === declaration ? [profile] : [],
    )
  } catch {
    return []
  }
}

/** Completely or not at all; a full disk costs what was learned, not the run. */
export function writeProfiles(file: string, profiles: readonly ModelProfile[], declared: Declared): void {
  const byId = new Map(declared.models.map((model) => [model.id, model]))
  const models = profiles.map((profile) => ({
    declaration: declarationOf(byId.get(profile.modelId)!, declared),
    ...profile,
  }))
  try {
    writeFileSync(`${file}.new`, `${JSON.stringify({ version: 1, models }, null, 1)}\n`)
    renameSync(`${file}.new`, file)
  } catch {
    rmSync(`${file}.new`, { force: true })
  }
}

/** What was learned is written down so often, ms, and at the end. A kill costs no more. */
const keepMs = 10_000

/** Keeps what a running daemon learns. */
export class ProfileKeeper {
  readonly #file: string
  readonly #state: State
  readonly #declared: Declared
  #keptAtMs: number | null = null

  constructor(file: string, state: State, declared: Declared) {
    this.#file = file
    this.#state = state
    this.#declared = declared
  }

  /** Called as time goes on. */
  at(nowMs: number): void {
    this.#keptAtMs ??= nowMs
    if (nowMs - this.#keptAtMs < keepMs) return
    this.#keptAtMs = nowMs
    this.keep()
  }

  keep(): void {
    writeProfiles(this.#file, profilesOf(this.#state), this.#declared)
  }
}

function declarationOf(model: Model, { runnerSpecs }: Declared): string {
  const { vramBytes, isSized, batch } = model
  const { timeouts, ...spec } = runnerSpecs.get(model.id) ?? { timeouts: null }
  return JSON.stringify([vramBytes, isSized, batch, spec])
}
