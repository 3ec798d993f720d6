// llama-swap (github.com/mostlygeek/llama-swap): a proxy that keeps one model running and swaps it
// for the one that the next request asks for. Requests wait in arrival order; those for the model
// that is up go in together (collation), here as one batch. Policy LS of the lab (docs/policy.md).
import { inTurn } from './in-turn.ts'

export const llamaSwap = inTurn({ name: 'llama-swap', isAlone: true, batch: 'model', isExhaustive: false })
