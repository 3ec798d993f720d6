// The commands, with what `--help` says of each. It loads the code of none: a command is loaded when it is
// called.
import type { Command } from 'commander'

export interface CommandEntry {
  name: string
  description: string
  /** As they are written, and what they mean. */
  arguments?: Record<string, string>
  /** Brings what adds the options and the work. */
  load: () => Promise<(command: Command) => void>
}

const anItem = { '<item>': 'id, or the beginning of one' }

export const commands: readonly CommandEntry[] = [
  {
    name: 'run',
    description: 'run a pipeline over its sources; the same command again continues it',
    arguments: {
      '<pipeline>': 'pipeline file (YAML)',
      '[inputs...]':
        "files or globs instead of the pipeline's own; name=glob where it has several sources of files",
    },
    load: async () => (await import('./commands/run.ts')).runCommand,
  },
  {
    name: 'status',
    description: 'show how far a run is, by step, and what its devices hold',
    load: async () => (await import('./commands/status.ts')).statusCommand,
  },
  {
    name: 'items',
    description: 'list the items of a run',
    load: async () => (await import('./commands/items.ts')).itemsCommand,
  },
  {
    name: 'result',
    description: 'show what an item answered, or why it did not',
    arguments: anItem,
    load: async () => (await import('./commands/result.ts')).resultCommand,
  },
  {
    name: 'why',
    description: 'say why an item waits, and when it starts',
    arguments: anItem,
    load: async () => (await import('./commands/why.ts')).whyCommand,
  },
  {
    name: 'cancel',
    description: 'cancel items and what depends on them',
    arguments: { '<item...>': 'ids, or beginnings of ids' },
    load: async () => (await import('./commands/cancel.ts')).cancelCommand,
  },
  {
    name: 'retry',
    description: 'make failed items new again, and what failed because of them; run then runs them',
    arguments: { '[item...]': 'ids, or beginnings of ids; none: all that failed' },
    load: async () => (await import('./commands/retry.ts')).retryCommand,
  },
  {
    name: 'models',
    description:
      "show a pipeline's models: what is declared, what runs have learned, and what the last one measured",
    arguments: { '<pipeline>': 'pipeline file' },
    load: async () => (await import('./commands/models.ts')).modelsCommand,
  },
  {
    name: 'export',
    description: 'write every item with its result as JSON lines',
    load: async () => (await import('./commands/export.ts')).exportCommand,
  },
  {
    name: 'plan',
    description: 'forecast how long a pipeline takes on a card, and which card is enough',
    arguments: { '<pipeline>': 'pipeline file' },
    load: async () => (await import('./commands/plan.ts')).planCommand,
  },
  {
    name: 'simulate',
    description: 'run a workload on simulated GPUs: how long it takes, what waits and what is loaded',
    arguments: { '[folder]': 'workload: models.json, and items.jsonl or items.jsonl.gz' },
    load: async () => (await import('./commands/simulate.ts')).simulateCommand,
  },
  {
    name: 'doctor',
    description: 'check what this machine has, show its devices, and what the runs here left behind',
    load: async () => (await import('./commands/doctor.ts')).doctorCommand,
  },
]
