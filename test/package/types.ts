// The types of the package for a compiler that has nothing else, neither Node's types nor a browser's; and what
// the tools that look at packages say of it.
import { dirname, resolve } from 'node:path'
import { test } from 'node:test'
import { assertQuiet, ofReadme, Stranger } from './stranger.ts'

const typescript = resolve(import.meta.dirname, '../../node_modules/typescript/bin/tsc')

/** What looks at packages, at the versions that this was written with. */
const tools = ['publint@0.3.25', '@arethetypeswrong/cli@0.18.5']

const program = `import {
  definePipeline, type GpuScheduler as Scheduler, ModelStateManager, openMemoryStore, openSqliteStore,
  type PipelineFile, startRun, type VramPermit, VramSemaphore, WorkQueue,
} from 'plimsoll'

export const file: PipelineFile = {
  name: 'small',
  gpus: [{ name: 'ram', kind: 'host', memory: '1GB' }],
  models: { echo: { module: 'echo.js', vram: 1, keepAlive: -1 } },
  sources: { texts: { files: ['*.txt'] } },
  steps: { say: { source: 'texts', model: 'echo' } },
}
export async function hold(vram: VramSemaphore, signal: Parameters<VramSemaphore['acquire']>[1]): Promise<number> {
  const permit: VramPermit = await vram.acquire('4GB', signal)
  permit[Symbol.dispose]()
  return permit.bytes
}
export const next = (of: Scheduler): string | undefined => of.getNextBatch(8)?.modelId
export { definePipeline, ModelStateManager, openMemoryStore, openSqliteStore, startRun, WorkQueue }
`

export function testTypes(tarball: string): void {
  const ours = () => new Stranger(dirname(process.execPath), process.versions.node)
  const stranger = ours()
  stranger.install(tarball)
  for (const ending of ['mts', 'cts']) stranger.write(`program.${ending}`, program)
  stranger.write('readme.mts', ofReadme('ts', 1))
  const strict = ['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess', '--noEmit']
  const bare = ['--skipLibCheck', 'false', '--target', 'es2022', '--lib', 'es2022']

  for (const [resolution, module, files] of [
    ['nodenext', 'nodenext', ['program.mts', 'program.cts', 'readme.mts']],
    ['bundler', 'esnext', ['program.mts', 'readme.mts']],
  ] as const)
    test(`types pass strict with ${resolution} resolution and nothing else installed`, () => {
      const how = ['--moduleResolution', resolution, '--module', module]
      assertQuiet(stranger.run('node', typescript, ...strict, ...bare, ...how, ...files))
    })

  test('publint and attw have nothing to say', () => {
    const looker = ours()
    looker.install(...tools)
    assertQuiet(looker.run('npx', 'publint', tarball, '--strict'))
    assertQuiet(looker.run('npx', 'attw', tarball))
  })
}
