// The core's scheduler on the system's clock, for programs that embed it.
import { GpuScheduler as CoreScheduler, type GpuSchedulerOptions } from './core/scheduler.ts'

export class GpuScheduler extends CoreScheduler {
  constructor(options: Omit<GpuSchedulerOptions, 'clock'> & { clock?: () => number }) {
    super({ clock: Date.now, ...options })
  }
}
