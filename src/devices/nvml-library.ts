// NVML, NVIDIA's management library, called through koffi. Only nvml-host.ts, a process
// of its own, loads it. Results are written into buffers of ours, so the layouts of the
// C structs are the offsets below (64-bit, little-endian):
//
//   nvmlMemory_v2_t   version u32 @0, total u64 @8, reserved @16, free @24, used @32   (40 bytes, version 2)
//   nvmlMemory_t      total u64 @0, free @8, used @16; the driver's own share is in used
//   process info      pid u32 @0, used u64 @8; then instance ids and more, depending on the driver
//   nvmlUtilization_t gpu u32 @0, in percent
//   nvmlEventData_t   device @0, type u64 @8, data u64 @16 (the XID)
//
// A list of processes has 16, 24 or 32 bytes an entry: drivers 535.43 to 535.86 changed
// the struct without a new name for the function (nvitop pull request 79). The buffer
// is filled with a mark first, and what was written over shows it.

/** What is used of koffi. Its platform's package is taken, since that needs no script at its installation. */
export interface Koffi {
  version: string
  load: (path: string) => {
    // biome-ignore lint/suspicious/noExplicitAny: what a function takes and gives is said by its own words
    func: (name: string, result: string, values: readonly string[]) => (...values: any[]) => any
  }
}

type Handle = bigint

/** The status codes that are told apart; nvmlReturn_t. */
const status = {
  success: 0,
  uninitialized: 1,
  insufficientSize: 7,
  driverNotLoaded: 9,
  functionNotFound: 13,
  gpuIsLost: 15,
  resetRequired: 16,
  versionMismatch: 18,
}

/** With these the device, or the way to it, is gone; others only say that something is not told. */
const gone = new Set([
  status.uninitialized,
  status.driverNotLoaded,
  status.gpuIsLost,
  status.resetRequired,
  status.versionMismatch,
])

/** NVML_VALUE_NOT_AVAILABLE. */
const notAvailable = 2n ** 64n - 1n

const device = 'void *'
const out = 'uint8_t *'
const number = 'uint32_t'

/** What is called, with its arguments. All answer with a status. */
const functions = {
  nvmlInit_v2: [],
  nvmlSystemGetDriverVersion: [out, number],
  nvmlSystemGetNVMLVersion: [out, number],
  nvmlDeviceGetCount_v2: [out],
  nvmlDeviceGetHandleByIndex_v2: [number, out],
  nvmlDeviceGetName: [device, out, number],
  nvmlDeviceGetUUID: [device, out, number],
  nvmlDeviceGetMigMode: [device, out, out],
  nvmlDeviceGetMaxMigDeviceCount: [device, out],
  nvmlDeviceGetMigDeviceHandleByIndex: [device, number, out],
  nvmlDeviceGetMemoryInfo_v2: [device, out],
  nvmlDeviceGetMemoryInfo: [device, out],
  nvmlDeviceGetComputeRunningProcesses_v3: [device, out, out],
  nvmlDeviceGetComputeRunningProcesses_v2: [device, out, out],
  nvmlDeviceGetGraphicsRunningProcesses_v3: [device, out, out],
  nvmlDeviceGetGraphicsRunningProcesses_v2: [device, out, out],
  nvmlDeviceGetUtilizationRates: [device, out],
  nvmlDeviceGetTotalEccErrors: [device, number, number, out],
  nvmlDeviceGetRetiredPagesPendingStatus: [device, out],
  nvmlDeviceGetRemappedRows: [device, out, out, out, out],
  nvmlEventSetCreate: [out],
  nvmlDeviceRegisterEvents: [device, 'uint64_t', 'void *'],
  nvmlEventSetWait_v2: ['void *', out, number],
} as const

type FunctionName = keyof typeof functions
type Argument = Buffer | Handle | number | null

export class NvmlLibrary {
  readonly #calls = new Map<FunctionName, (...values: Argument[]) => number>()
  readonly #errorString: (code: number) => string

  /** Throws where the library cannot be loaded or the driver does not answer. */
  constructor(koffi: Koffi, path: string) {
    const library = koffi.load(path)
    this.#errorString = library.func('nvmlErrorString', 'str', ['int'])
    for (const [name, values] of Object.entries(functions)) {
      try {
        this.#calls.set(name as FunctionName, library.func(name, 'int', [...values]))
      } catch {
        // An older driver without this function.
      }
    }
    this.must('nvmlInit_v2')
  }

  /** The status; `functionNotFound` where the driver does not have it. */
  #call(name: FunctionName, values: Argument[]): number {
    return this.#calls.get(name)?.(...values) ?? status.functionNotFound
  }

  /** Throws for every status but success. */
  must(name: FunctionName, ...values: Argument[]): void {
    const code = this.#call(name, values)
    if (code !== status.success) throw this.#error(name, code)
  }

  /** Whether it was told; throws where the device is gone. */
  may(name: FunctionName, ...values: Argument[]): boolean {
    const code = this.#call(name, values)
    if (gone.has(code)) throw this.#error(name, code)
    return code === status.success
  }

  text(name: FunctionName, ...values: Argument[]): string {
    const buffer = Buffer.alloc(96) // NVML_DEVICE_UUID_V2_BUFFER_SIZE, and NVML_DEVICE_NAME_V2_BUFFER_SIZE
    this.must(name, ...values, buffer, buffer.length)
    return buffer.toString('utf8', 0, buffer.indexOf(0))
  }

  /** A number of 32 bits, the last argument; null: not told. */
  number(name: FunctionName, ...values: Argument[]): number | null {
    const buffer = Buffer.alloc(4)
    return this.may(name, ...values, buffer) ? buffer.readUInt32LE() : null
  }

  /** A device, the last argument. Throws where there is none. */
  handle(name: FunctionName, ...values: Argument[]): Handle {
    const buffer = Buffer.alloc(8)
    this.must(name, ...values, buffer)
    return buffer.readBigUInt64LE()
  }

  memory(handle: Handle): { totalBytes: number; reservedBytes: number; freeBytes: number } {
    const buffer = Buffer.alloc(40)
    buffer.writeUInt32LE(40 | (2 << 24))
    if (this.may('nvmlDeviceGetMemoryInfo_v2', handle, buffer)) {
      const [totalBytes, reservedBytes, freeBytes] = [8, 16, 24].map((at) => u64(buffer, at))
      return { totalBytes: totalBytes!, reservedBytes: reservedBytes!, freeBytes: freeBytes! }
    }
    this.must('nvmlDeviceGetMemoryInfo', handle, buffer)
    return { totalBytes: u64(buffer, 0), reservedBytes: 0, freeBytes: u64(buffer, 8) }
  }

  /** Pid to bytes (null: not told); null: no list. A process that computes and draws is
   * in both lists with all it holds. */
  processes(handle: Handle): Map<number, number | null> | null {
    const bytesByPid = new Map<number, number | null>()
    for (const kind of ['Compute', 'Graphics'] as const) {
      const list =
        this.#processList(`nvmlDeviceGet${kind}RunningProcesses_v3`, handle) ??
        this.#processList(`nvmlDeviceGet${kind}RunningProcesses_v2`, handle)
      if (list === null && kind === 'Compute') return null
      for (const [pid, bytes] of list ?? []) {
        const other = bytesByPid.get(pid)
        bytesByPid.set(pid, bytes === null || other === null ? null : Math.max(bytes, other ?? 0))
      }
    }
    return bytesByPid
  }

  /** Asked for the size first; asked again while processes come in between. */
  #processList(name: FunctionName, handle: Handle): Map<number, number | null> | null {
    const count = Buffer.alloc(4)
    let code = this.#call(name, [handle, count, null])
    for (let attempt = 0; code === status.insufficientSize && attempt < 5; attempt++) {
      const room = count.readUInt32LE() + 8
      const entries = Buffer.alloc(room * largestEntry, mark)
      count.writeUInt32LE(room)
      code = this.#call(name, [handle, count, entries])
      if (code === status.success) return readEntries(entries, count.readUInt32LE())
    }
    if (gone.has(code)) throw this.#error(name, code)
    return code === status.success ? new Map() : null
  }

  #error(name: string, code: number): Error {
    return new Error(`${this.#errorString(code)} (${name} answers ${code})`)
  }
}

const entrySizes = [16, 24, 32]
const largestEntry = 32
const mark = 0xa5

function readEntries(entries: Buffer, count: number): Map<number, number | null> | null {
  let end = entries.length
  while (end > 0 && entries[end - 1] === mark) end--
  const size = count === 0 ? largestEntry : end / count
  if (!entrySizes.includes(size)) return null
  const bytesByPid = new Map<number, number | null>()
  for (let at = 0; at < count * size; at += size) {
    const pid = entries.readUInt32LE(at)
    const bytes = entries.readBigUInt64LE(at + 8)
    // One entry for each part of the GPU that the process is on.
    const other = bytesByPid.get(pid)
    bytesByPid.set(pid, bytes === notAvailable || other === null ? null : Number(bytes) + (other ?? 0))
  }
  return bytesByPid
}

function u64(buffer: Buffer, at: number): number {
  return Number(buffer.readBigUInt64LE(at))
}
