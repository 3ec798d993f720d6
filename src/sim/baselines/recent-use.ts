// Least recently used first: the order in which the LRU baselines give instances up. It
// keeps a note of who ran last.
import type { InstanceId } from '../../core/state/events.ts'
import type { DeviceState, InstanceState } from '../../core/state/state.ts'

export class RecentUse {
  readonly #lastUse = new Map<InstanceId, number>()
  #count = 0

  /** The instance runs now. */
  use({ id }: InstanceState): void {
    this.#lastUse.set(id, ++this.#count)
  }

  /** Ready instances of a device, the one unused for longest first; one never used counts from its load. */
  order(device: DeviceState): InstanceState[] {
    const ready = device.instances.filter(({ phase }) => phase === 'ready')
    for (const { id } of ready) if (!this.#lastUse.has(id)) this.#lastUse.set(id, ++this.#count)
    return ready.sort((a, b) => this.#lastUse.get(a.id)! - this.#lastUse.get(b.id)!)
  }
}
