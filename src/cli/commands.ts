// The commands, with what `--help` says of each. It loads the code of none: a command is loaded when it is
// called.
import type { Command } from 'commander'

export interface CommandEntry {
  name: string
  /** Under which it stands in `plimsoll --help`. */
  group: 'Run' | 'Look' | 'Steer' | 'Plan' | 'Check'
  description: string
  /** As they are written, and what they mean. */
  arguments?: Record<string, string>
  /** Two calls, as they are typed. */
  examples: readonly [string, string]
  /** Brings what adds the options and the work. */
  load: () => Promise<(command: Command) => void>
}

const anItem = { '<item>': 'id, or the beginning of one' }

export const commands: readonly CommandEntry[] = [
  {
    name: 'init',
    group: 'Run',
    description: 'write a first pipeline of your own, with a worker and inputs, that runs as it is',
    arguments: { '[folder]': 'where to (default: here)' },
    examples: ['plimsoll init first', 'plimsoll init first --python'],
    load: async () => (await import('./commands/init.ts')).initCommand,
  },
  {
    name: 'run',
    group: 'Run',
    description: 'run a pipeline over its sources; the same command again continues it',
    arguments: {
      '<pipeline>': 'pipeline file (YAML)',
      '[inputs...]':
        "files or globs instead of the pipeline's own; name=glob where it has several sources of files",
    },
    examples: ['plimsoll run pipeline.yaml', "plimsoll run pipeline.yaml 'holidays/*.mp4' --gpu 8GB"],
    load: async () => (await import('./commands/run.ts')).runCommand,
  },
  {
    name: 'status',
    group: 'Look',
    description: 'show how far a run is, by step, and what its devices hold',
    examples: ['plimsoll status', 'plimsoll status --db .plimsoll/archive.db --json'],
    load: async () => (await import('./commands/status.ts')).statusCommand,
  },
  {
    name: 'items',
    group: 'Look',
    description: 'list the items of a run',
    examples: ['plimsoll items --state failed', 'plimsoll items --step transcribe --limit 1000 --json'],
    load: async () => (await import('./commands/items.ts')).itemsCommand,
  },
  {
    name: 'result',
    group: 'Look',
    description: 'show what an item answered, or why it did not',
    arguments: anItem,
    examples: ['plimsoll result beach.mp4_whisper', 'plimsoll result beach.mp4_whisper --json'],
    load: async () => (await import('./commands/result.ts')).resultCommand,
  },
  {
    name: 'why',
    group: 'Look',
    description: 'say why an item waits, and when it starts',
    arguments: anItem,
    examples: ['plimsoll why beach.mp4_whisper', 'plimsoll why beach.mp4_whisper --json'],
    load: async () => (await import('./commands/why.ts')).whyCommand,
  },
  {
    name: 'cancel',
    group: 'Steer',
    description: 'cancel items and what depends on them',
    arguments: { '<item...>': 'ids, or beginnings of ids' },
    examples: ['plimsoll cancel beach.mp4_whisper', 'plimsoll cancel beach.mp4 forest.mp4'],
    load: async () => (await import('./commands/cancel.ts')).cancelCommand,
  },
  {
    name: 'retry',
    group: 'Steer',
    description: 'make failed items new again, and what failed because of them; run then runs them',
    arguments: { '[item...]': 'ids, or beginnings of ids; none: all that failed' },
    examples: ['plimsoll retry', 'plimsoll retry beach.mp4_whisper'],
    load: async () => (await import('./commands/retry.ts')).retryCommand,
  },
  {
    name: 'models',
    group: 'Look',
    description:
      "show a pipeline's models: what is declared, what runs have learned, and what the last one measured",
    arguments: { '<pipeline>': 'pipeline file' },
    examples: ['plimsoll models pipeline.yaml', 'plimsoll models pipeline.yaml --json'],
    load: async () => (await import('./commands/models.ts')).modelsCommand,
  },
  {
    name: 'export',
    group: 'Look',
    description: 'write every item with its result as JSON lines',
    examples: ['plimsoll export > results.jsonl', 'plimsoll export --db .plimsoll/archive.db | head'],
    load: async () => (await import('./commands/export.ts')).exportCommand,
  },
  {
    name: 'plan',
    group: 'Plan',
    description: 'forecast how long a pipeline takes on a card, and which card is enough',
    arguments: { '<pipeline>': 'pipeline file' },
    examples: [
      'plimsoll plan pipeline.yaml --sources 1000',
      'plimsoll plan pipeline.yaml --compare 8GB,16GB,2x16GB',
    ],
    load: async () => (await import('./commands/plan.ts')).planCommand,
  },
  {
    name: 'simulate',
    group: 'Plan',
    description: 'run a workload on simulated GPUs: how long it takes, what waits and what is loaded',
    arguments: { '[folder]': 'workload: models.json, and items.jsonl or items.jsonl.gz' },
    examples: [
      'plimsoll simulate workload/ --gpu 16GB',
      'plimsoll simulate --from .plimsoll/archive.db --gpu 8GB',
    ],
    load: async () => (await import('./commands/simulate.ts')).simulateCommand,
  },
  {
    name: 'doctor',
    group: 'Check',
    description: 'check what this machine has, show its devices, and what the runs here left behind',
    examples: ['plimsoll doctor', 'plimsoll doctor --gpu-check'],
    load: async () => (await import('./commands/doctor.ts')).doctorCommand,
  },
]
