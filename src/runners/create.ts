// From how a model is run (a module, a command, or a command for each item) to its runner.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ExecInstance } from './exec.ts'
import type { Runner, RunnerSpec, Timeouts } from './runner.ts'
import type { StartedProcesses } from './started.ts'
import { StdioInstance } from './stdio.ts'

/** Chosen, not measured. */
const defaultTimeouts = { readyMs: 60_000, runMs: 600_000, unloadMs: 5000, graceMs: 2000 }

/** Longest load: five minutes, and as long as a gigabyte takes from a slow disk (50 MB/s)
 * for each; of a model whose size is not known as if it had 24. No more than six hours. */
function defaultLoadMs(vramBytes: number | undefined): number {
  return Math.min(6 * 3_600_000, 300_000 + ((vramBytes ?? 24e9) / 1e9) * 20_000)
}

/** The young generation of the heap grows to 3 × this, MB: it keeps a module's process small. What Node
 * calls experimental is our own use of it (module-format.ts). */
const hostOptions = ['--expose-gc', '--max-semi-space-size=4', '--disable-warning=ExperimentalWarning']

const hostFile = fileURLToPath(
  new URL(`./module-host${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url),
)

export function createRunner(
  spec: RunnerSpec,
  { started, logFolder }: { started: StartedProcesses; logFolder: string },
): Runner {
  const { cwd, options: modelOptions } = spec
  const loadMs = defaultLoadMs(spec.vramBytes)
  const timeouts: Timeouts = { ...defaultTimeouts, loadMs, ...spec.timeouts }
  return {
    start(instanceId, ofDevice = {}) {
      const environment = { ...spec.environment, ...ofDevice }
      const common = { instanceId, cwd, environment, timeouts, started }
      if (spec.kind === 'exec') return new ExecInstance({ ...common, argv: spec.argv, logFolder })
      const logFile = join(logFolder, `${instanceId}.log`)
      if (spec.kind === 'command')
        return new StdioInstance({ ...common, argv: spec.argv, logFile, answersOn: 1, modelOptions })
      const argv = ['node', ...hostOptions, hostFile, spec.file]
      return new StdioInstance({ ...common, argv, logFile, answersOn: 3, isModuleHost: true, modelOptions })
    },
  }
}
