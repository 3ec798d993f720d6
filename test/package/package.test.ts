// The package as people get it: packed, installed into empty folders, and used there under each Node that it
// allows. `make package`: it needs npm's registry, and the first time some hundred MB of it.
import { describe, test } from 'node:test'
import { testCommand } from './command.ts'
import { testLibrary } from './library.ts'
import { bringNode, nodeVersions, whyNoRegistry } from './nodes.ts'
import { pack, Stranger } from './stranger.ts'
import { testTypes } from './types.ts'

const reason = process.env.CI === 'true' ? null : whyNoRegistry()
if (reason === null) {
  const tarball = pack()
  for (const version of nodeVersions)
    describe(`with Node ${version}`, () => {
      const stranger = new Stranger(bringNode(version), version)
      stranger.install(tarball)
      testLibrary(stranger)
      testCommand(stranger)
    })
  describe('for compilers and tools', () => testTypes(tarball))
} else test('the package', { skip: reason }, () => {})
