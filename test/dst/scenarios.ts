// Seeds that found a bug, by name: their world and faults are pinned here, so that they
// show it again whatever happens to the way in which settings are drawn. Each says what
// it showed; mutants/ brings the bugs back one by one and sees that they are still found.
import { type FaultRates, noFaults } from './world/faults.ts'
import type { Settings } from './world/world.ts'

export interface Scenario {
  seed: number
  /** What went wrong, in one sentence. */
  showed: string
  settings: Settings
}

/** Devices, models, items, seconds of faults. */
type Size = readonly [number, number, number, number]

function pinned(
  showed: string,
  seed: number,
  size: Size,
  faults: Partial<FaultRates> = {},
  variety = 0,
): Scenario {
  const [deviceCount, modelCount, itemCount, seconds] = size
  const settings = {
    deviceCount,
    modelCount,
    itemCount,
    spanMs: seconds * 1000,
    variety,
    faults: { ...noFaults, ...faults },
  }
  return { seed, showed, settings }
}

export const scenarios: Record<string, Scenario> = {
  'unread-device': pinned(
    'A model was loaded before its device had been read: another process may hold what is declared to be ours.',
    18, [1, 2, 6, 4], { 'foreign-moves': 20 },
  ),
  'refused-reading': pinned(
    'One reading that the device refused ended the daemon.',
    24, [1, 2, 10, 10], { 'reading-fails': 0.1 },
  ),
  'refused-while-releasing': pinned(
    'A reading that was refused while memory was awaited was an error that nobody handled.',
    24, [1, 3, 12, 10], { 'reading-fails': 0.2, 'memory-lingers': 0.6 },
  ),
  'cancelled-while-running': pinned(
    'The daemon told of a result that the store had refused, since the user had cancelled the item.',
    22, [1, 2, 20, 15], { 'user-cancels': 60 },
  ),
  'answer-after-giving-back': pinned(
    'An answer that came when its item had been given back was told as recorded.',
    138, [1, 3, 30, 20], { drain: 20, 'stop-slow': 1, 'batch-slow': 0.3, 'store-slow': 0.5 },
  ),
  'doomed-dependent': pinned(
    'An item became ready for a moment when one parent was skipped and another, not yet told, had failed it.',
    46, [1, 2, 30, 4], { 'item-fails': 0.4 },
  ),
  'booking-of-nothing': pinned(
    'A batch that needs no memory broke an assertion where foreign use had grown into what is booked.',
    38, [1, 2, 20, 10], { 'foreign-moves': 60 },
  ),
  'larger-than-the-device': pinned(
    'The daemon waited for ever for items of a model that its device, smaller than declared, can never hold.',
    67, [1, 2, 10, 4], { 'capacity-less': 1 },
  ),
  'two-slots': pinned(
    'A model that fills a device of two slots was never loaded while others were resident.',
    69, [1, 4, 20, 4],
  ),
  'beside-quarantine': pinned(
    'A model that does not fit beside quarantined memory kept the device idle, and those that fit waited.',
    1, [1, 4, 20, 10], { 'memory-stays': 0.7 },
  ),
  'room-taken': pinned(
    'A resident model whose batches had lost their room to another process waited as long as that stayed.',
    2, [1, 3, 20, 15], { 'foreign-moves': 30 },
  ),
  'clock-set': pinned(
    'A wall clock that was set back by hours put off cool-downs, retries and released memory by as much.',
    51, [1, 2, 12, 10], { 'clock-jumps': 20, 'load-fails': 0.3 },
  ),
  'clock-set-between-runs': pinned(
    'A wall clock that was set back between two runs put off retries by hours.',
    29, [1, 2, 20, 20], { 'clock-jumps': 12, 'item-fails': 0.4, drain: 12 },
  ),
  'close-without-memory': pinned(
    'close waited for ever for memory that does not come back.',
    53, [1, 2, 10, 100], { 'memory-stays': 0.7, drain: 3 },
  ),
  'last-writes': pinned(
    'The store was closed under the last writes of batches.',
    15, [1, 2, 20, 15], { 'store-full': 0.1, 'batch-slow': 0.3, 'store-slow': 0.3 },
  ),
  'last-reading': pinned(
    'The store was closed under a reading of its heads.',
    603, [1, 3, 30, 15], { 'store-full': 0.2, 'store-slow': 0.1, 'item-fails': 0.6 },
  ),
  'memory-after-close': pinned(
    'Memory was told as released when close had given it up.',
    46, [1, 2, 10, 10], { 'memory-lingers-long': 0.7, drain: 12 },
  ),
  'ended-before-its-claim': pinned(
    'A batch was run on an instance that had ended while its items were being claimed, and cost them an attempt.',
    2, [1, 2, 30, 15], { 'idle-crashes': 1, 'memory-lingers': 1, 'store-slow': 0.3 },
  ),
  'memory-of-a-dead-batch': pinned(
    'A worker died in a batch; what the batch held was promised to others before the device showed it back.',
    100, [1, 2, 20, 20], { 'batch-crashes': 0.5, 'memory-lingers-long': 0.7 },
  ),
  'beside-a-broken-batch': pinned(
    'Items that ran beside a batch which broke their instance lost an attempt for it.',
    41, [1, 2, 20, 10], { 'batch-out-of-memory': 0.7 },
  ),
  'slow-store': pinned(
    'The daemon woke every millisecond while a retry was due and the store took its time.',
    9, [1, 2, 20, 30], { 'item-fails': 0.4, 'store-slow': 0.3 },
  ),
  'retry-during-a-sweep': pinned(
    'A retry that was recorded while the store was being swept was forgotten.',
    2924, [1, 3, 8, 20], { 'item-fails': 0.4, 'store-slow': 0.3, 'batch-slow': 0.3 },
  ),
  'old-reading': pinned(
    'A batch was promised memory on a reading that was six seconds old.',
    4, [1, 2, 12, 15], { 'reading-slow': 1, 'footprint-lies': 1 },
  ),
  'slow-reading': pinned(
    'A model that was only read while it was loaded has to wait for a reading that takes its time; that was called rest.',
    337, [2, 3, 8, 15], { 'reading-slow': 0.3, 'reading-fails': 0.05, 'footprint-lies': 1 },
  ),
  'ours-or-foreign': pinned(
    'Where a device cannot tell who holds what, an instance that held more than declared was foreign use for ever, and a model that needs all of the device waited for it.',
    12, [1, 3, 15, 15], { 'device-untold': 1, 'footprint-lies': 1 }, 1,
  ),
  'gone-before-us': pinned(
    'What was used before any of ours was there counted as foreign when it had long gone.',
    8, [1, 3, 15, 15], { 'device-untold': 1, 'footprint-lies': 1, 'memory-lingers-long': 1 }, 1,
  ),
  'less-than-booked': pinned(
    'Where a device cannot tell who holds what, the memory of an instance that held less than was booked was back after five seconds, and not at once.',
    8, [1, 3, 15, 15], { 'device-untold': 1 }, 1,
  ),
  'ahead-of-quarantine': pinned(
    'A model was loaded ahead into the room that one with work needed and waited for: it had to go again, and its memory was waited for again.',
    11, [1, 3, 15, 15], { 'memory-lingers-long': 1 },
  ),
  'peak-of-a-load': pinned(
    'What a load held for a moment stayed booked until a first batch had run; where that left no room for a batch, it was loaded again and again.',
    26, [1, 3, 15, 15], { 'peaks-lie': 1 }, 1,
  ),
  'silent-at-the-start': pinned(
    'The daemon ended when the driver of a device did not answer at its start: nothing could run on a device without a size.',
    21, [1, 3, 15, 15], { 'device-silent': 20 }, 1,
  ),
  'no-room-after-its-load': pinned(
    'A model that held more than declared, where a device cannot tell who holds what, left no room for a batch, and was loaded again and again.',
    299, [1, 2, 12, 10], { 'device-untold': 1, 'footprint-lies': 1 }, 1,
  ),
  'pinned-in-the-way': pinned(
    'Items of a model that has no place beside a pinned one waited for ever.',
    2, [1, 4, 15, 15], {}, 1,
  ),
  'one-batch-beside-what-is-pinned': pinned(
    'A model that fits beside a pinned one, but not with a batch of each in every slot, was never loaded, and kept others out.',
    50, [1, 4, 15, 15], {}, 1,
  ),
  'idle-in-quarantine': pinned(
    'An instance that had been idle and whose memory did not come back woke the daemon every millisecond.',
    1, [1, 3, 15, 15], { 'memory-lingers-long': 1 }, 1,
  ),
  'idle-while-draining': pinned(
    'An instance that was idle for its keepAlive while the daemon drained woke it every millisecond.',
    6, [1, 3, 15, 15], { drain: 20, 'batch-slow': 0.5 }, 1,
  ),
  'empty-claim': pinned(
    'An instance whose last claim was empty was never idle, and stayed.',
    411, [1, 3, 25, 15], { 'user-cancels': 60, 'store-slow': 0.3 }, 1,
  ),
  'preload-out-of-memory': pinned(
    'A model that was to be there from the start and ran out of memory was loaded again before its memory was back.',
    46, [1, 3, 15, 15], { 'load-out-of-memory': 0.5 }, 1,
  ),
  'preload-without-a-device': pinned(
    'A model that needs no device and was to be there from the start was loaded on one, and took its slots.',
    217, [2, 4, 4, 15], { 'item-fails': 0.7 }, 1,
  ),
  'loaded-ahead-in-vain': pinned(
    'A model that went for being idle was loaded ahead at once, and again and again.',
    27, [2, 3, 25, 20], { 'batch-slow': 0.3 }, 1,
  ),
  'room-for-nothing': pinned(
    'Where more was held than may be, a batch of one item that needs nothing had no room, since one of more items needs some.',
    115_167, [2, 3, 24, 14], { 'footprint-lies': 1, 'peaks-lie': 0.6 }, 0.8,
  ),
  'smaller-in-time': pinned(
    'A batch that was made smaller so as to end in time had no room, since fewer items had been seen to need more than many.',
    1124, [1, 3, 49, 15], { 'footprint-lies': 0.3, 'peaks-lie': 0.3 }, 1,
  ),
  'leak-and-learn': pinned(
    'What an instance had leaked was booked for the next one, or kept its model from being loaded at all.',
    34, [1, 2, 200, 60], { leaks: 1 }, 1,
  ),
  'leak-in-a-peak': pinned(
    'What a worker held for good since its first batches was booked for each batch besides, since its own peak counts it too.',
    21, [1, 2, 40, 20], { leaks: 1 },
  ),
  'smaller-than-measured': pinned(
    'A model of which only large batches had been measured failed its queue where one item had a place.',
    27, [2, 4, 40, 20], { 'footprint-lies': 0.5 }, 1,
  ),
  'peak-too-low': pinned(
    'A peak that a device reported lower than what was held at that moment hid what a load held.',
    10, [1, 3, 15, 15], { 'peaks-lie': 1, 'footprint-lies': 1 }, 1,
  ),
  'unread-and-too-large': pinned(
    'A queue failed for want of a device that is large enough, while one had not been read: its driver did not answer.',
    3, [2, 3, 20, 30], { kill: 0.01, 'footprint-lies': 1, 'device-silent': 20, 'peaks-lie': 0.3 }, 1,
  ),
  'broken-while-recording': pinned(
    'A batch was run on an instance that had failed, and cost its item an attempt, while the answers of the one that broke it were being recorded.',
    2401, [1, 4, 60, 20], { 'store-slow': 0.5, 'batch-hangs': 0.3 },
  ),
} // biome-ignore format: a table
