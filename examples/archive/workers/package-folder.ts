// Where an installed package lies; the models' weights are read from there.
import { join } from 'node:path'

export function packageFolder(name: string): string {
  return join(import.meta.dirname, '..', 'node_modules', name)
}
