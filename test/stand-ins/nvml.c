/* libnvidia-ml.so.1 as far as Plimsoll calls it, over the folder of card.h. Compiled by the tests, also as other drivers:
 *   -DOLD_DRIVER      without the second version of the memory and the third of the lists
 *   -DENTRY_SIZE=32   the lists of drivers 535.43 to 535.86
 */
#include "card.h"

#ifndef ENTRY_SIZE
#define ENTRY_SIZE 24
#endif

enum {
  SUCCESS = 0,
  INVALID_ARGUMENT = 2,
  NOT_SUPPORTED = 3,
  NOT_FOUND = 6,
  INSUFFICIENT_SIZE = 7,
  DRIVER_NOT_LOADED = 9,
  TIMEOUT = 10,
  GPU_IS_LOST = 15
};

enum { MAX_DEVICES = 32 };

/* A handle is a pointer into this table: the folder of a GPU or of a part. */
static char devices[MAX_DEVICES][64];
static unsigned device_count;

typedef const char *device_t;

static int open_device(const char *folder, device_t *device) {
  for (unsigned i = 0; i < device_count; i++) {
    if (strcmp(devices[i], folder) == 0) {
      *device = devices[i];
      return SUCCESS;
    }
  }
  if (device_count == MAX_DEVICES) return INVALID_ARGUMENT;
  snprintf(devices[device_count], sizeof devices[0], "%s", folder);
  *device = devices[device_count++];
  return SUCCESS;
}

/* Every call about a device begins so. A part is lost with its GPU. */
static int begin(const char *function, device_t device) {
  char gpu[64];
  maybe_hang(function);
  snprintf(gpu, sizeof gpu, "%s", device);
  gpu[strcspn(gpu, "/")] = 0;
  return !has_file(gpu, "uuid") || has_file(gpu, "lost") ? GPU_IS_LOST : SUCCESS;
}

#define BEGIN(device)                       \
  do {                                      \
    int begun = begin(__func__, (device));  \
    if (begun != SUCCESS) return begun;     \
  } while (0)

const char *nvmlErrorString(int code) {
  switch (code) {
    case NOT_SUPPORTED: return "Not Supported";
    case NOT_FOUND: return "Not Found";
    case DRIVER_NOT_LOADED: return "Driver Not Loaded";
    case GPU_IS_LOST: return "GPU is lost";
    default: return "Unknown Error";
  }
}

int nvmlInit_v2(void) {
  maybe_hang(__func__);
  return has_file(".", "driver") ? SUCCESS : DRIVER_NOT_LOADED;
}

int nvmlSystemGetDriverVersion(char *text, unsigned size) {
  read_text(".", "driver", text, size);
  return SUCCESS;
}

int nvmlSystemGetNVMLVersion(char *text, unsigned size) {
  snprintf(text, size, "12.stand-in");
  return SUCCESS;
}

int nvmlDeviceGetCount_v2(unsigned *count) {
  char folder[64];
  for (*count = 0;; ++*count) {
    snprintf(folder, sizeof folder, "gpu%u", *count);
    if (!has_file(folder, "uuid")) return SUCCESS;
  }
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, device_t *device) {
  char folder[64];
  snprintf(folder, sizeof folder, "gpu%u", index);
  BEGIN(folder);
  return open_device(folder, device);
}

int nvmlDeviceGetName(device_t device, char *text, unsigned size) {
  BEGIN(device);
  read_text(device, "name", text, size);
  return SUCCESS;
}

int nvmlDeviceGetUUID(device_t device, char *text, unsigned size) {
  BEGIN(device);
  read_text(device, "uuid", text, size);
  return SUCCESS;
}

int nvmlDeviceGetMigMode(device_t device, unsigned *current, unsigned *pending) {
  BEGIN(device);
  *current = *pending = has_file(device, "mig0");
  return SUCCESS;
}

int nvmlDeviceGetMaxMigDeviceCount(device_t device, unsigned *count) {
  BEGIN(device);
  *count = 7;
  return SUCCESS;
}

int nvmlDeviceGetMigDeviceHandleByIndex(device_t device, unsigned index, device_t *part) {
  char name[16], folder[80];
  BEGIN(device);
  snprintf(name, sizeof name, "mig%u", index);
  if (!has_file(device, name)) return NOT_FOUND;
  snprintf(folder, sizeof folder, "%s/%s", device, name);
  return open_device(folder, part);
}

struct memory_v1 { unsigned long long total, free, used; };
struct memory_v2 { unsigned version; unsigned long long total, reserved, free, used; };

int nvmlDeviceGetMemoryInfo(device_t device, struct memory_v1 *memory) {
  BEGIN(device);
  memory->total = read_number(device, "total");
  memory->used = used_bytes(device);
  memory->free = memory->total - memory->used;
  return SUCCESS;
}

#ifndef OLD_DRIVER
int nvmlDeviceGetMemoryInfo_v2(device_t device, struct memory_v2 *memory) {
  BEGIN(device);
  if (memory->version != (sizeof *memory | 2 << 24)) return INVALID_ARGUMENT;
  memory->total = read_number(device, "total");
  memory->reserved = read_number(device, "reserved");
  memory->used = used_bytes(device) - memory->reserved;
  memory->free = memory->total - memory->reserved - memory->used;
  return SUCCESS;
}
#endif

static int list_processes(device_t device, const char *list, unsigned *room, char *entries) {
  struct process found[MAX_PROCESSES];
  unsigned count = read_processes(device, list, found);
  int fits = count <= *room && (entries || count == 0);
  *room = count;
  if (!fits) return INSUFFICIENT_SIZE;
  for (unsigned i = 0; i < count; i++) {
    char *entry = entries + (size_t)i * ENTRY_SIZE;
    unsigned long long bytes = found[i].is_told ? found[i].bytes : ~0ull;
    memset(entry + 16, 0xff, ENTRY_SIZE - 16); /* no instance ids */
    memcpy(entry, &found[i].pid, 4);
    memcpy(entry + 8, &bytes, 8);
  }
  return SUCCESS;
}

#define LIST(function, list)                                                \
  int function(device_t device, unsigned *room, char *entries) {            \
    BEGIN(device);                                                          \
    return list_processes(device, list, room, entries);                     \
  }

LIST(nvmlDeviceGetComputeRunningProcesses_v2, "compute")
LIST(nvmlDeviceGetGraphicsRunningProcesses_v2, "graphics")
#ifndef OLD_DRIVER
LIST(nvmlDeviceGetComputeRunningProcesses_v3, "compute")
LIST(nvmlDeviceGetGraphicsRunningProcesses_v3, "graphics")
#endif

/* The rest is not told of parts, as by the real one. */
int nvmlDeviceGetUtilizationRates(device_t device, unsigned *rates) {
  BEGIN(device);
  if (!has_file(device, "utilisation")) return NOT_SUPPORTED;
  rates[0] = (unsigned)read_number(device, "utilisation");
  rates[1] = 0;
  return SUCCESS;
}

int nvmlDeviceGetTotalEccErrors(device_t device, unsigned type, unsigned counter, unsigned long long *count) {
  BEGIN(device);
  if (!has_file(device, "ecc") || type != 1 || counter != 0) return NOT_SUPPORTED;
  *count = read_number(device, "ecc");
  return SUCCESS;
}

int nvmlDeviceGetRetiredPagesPendingStatus(device_t device, unsigned *pending) {
  BEGIN(device);
  if (!has_file(device, "retired")) return NOT_SUPPORTED;
  *pending = (unsigned)read_number(device, "retired");
  return SUCCESS;
}

int nvmlDeviceGetRemappedRows(device_t device, unsigned *corrected, unsigned *uncorrected, unsigned *pending,
                              unsigned *failed) {
  BEGIN(device);
  if (!has_file(device, "remap_failed")) return NOT_SUPPORTED;
  *corrected = *uncorrected = *pending = 1;
  *failed = (unsigned)read_number(device, "remap_failed");
  return SUCCESS;
}

/* A set is the device that was registered with it. */
struct event { device_t device; unsigned long long type, data; unsigned instance, part; };
static device_t sets[MAX_DEVICES];
static unsigned set_count;

int nvmlEventSetCreate(device_t **set) {
  if (set_count == MAX_DEVICES) return INVALID_ARGUMENT;
  *set = &sets[set_count++];
  return SUCCESS;
}

int nvmlDeviceRegisterEvents(device_t device, unsigned long long types, device_t *set) {
  BEGIN(device);
  if (types != 8) return NOT_SUPPORTED;
  *set = device;
  return SUCCESS;
}

int nvmlEventSetWait_v2(device_t *set, struct event *event, unsigned timeout_ms) {
  char path[PATH_SIZE], rest[4096];
  (void)timeout_ms;
  BEGIN(*set);
  FILE *file = fopen(card_path(path, *set, "xids"), "r");
  if (!file) return TIMEOUT;
  event->device = *set;
  event->type = 8;
  int told = fscanf(file, "%llu\n", &event->data);
  size_t size = fread(rest, 1, sizeof rest - 1, file);
  rest[size] = 0;
  fclose(file);
  if (told != 1) return TIMEOUT;
  write_text(*set, "xids", rest);
  return SUCCESS;
}
