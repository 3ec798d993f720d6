/* The part of the CUDA driver library that workers/python/plimsoll_gpu_check.py calls, over the folder of card.h: a process
 * that allocates is listed with its context and what it holds. With -DHIP, AMD's runtime. The card is the one that the
 * variables of the process show. Two more files of a card are read:
 *
 *   overhead    per cent that is taken beyond what was asked for
 *   untold      while it is there, the driver does not tell what the process holds */
#include "card.h"

#ifdef HIP
#define NAME(cuda, hip) hip
#define VISIBLE "ROCR_VISIBLE_DEVICES"
#else
#define NAME(cuda, hip) cuda
#define VISIBLE "CUDA_VISIBLE_DEVICES"
#endif

enum { SUCCESS = 0, OUT_OF_MEMORY = 2, NO_DEVICE = 100, MAX_BLOCKS = 64 };

static const unsigned long long context_bytes = 300000000;
static char card[64];
static unsigned long long blocks[MAX_BLOCKS];

static void tell(void) {
  char name[64], text[64], folder[PATH_SIZE];
  unsigned long long sum = context_bytes;
  mkdir(card_path(folder, card, "compute"), 0755);
  for (int i = 0; i < MAX_BLOCKS; i++) sum += blocks[i];
  snprintf(name, sizeof name, "compute/%d", (int)getpid());
  sum += sum * read_number(card, "overhead") / 100;
  snprintf(text, sizeof text, "%s%llu\n", has_file(card, "untold") ? "na " : "", sum);
  write_text(card, name, text);
}

static int open_card(void) {
  char uuid[128];
  const char *visible = getenv(VISIBLE);
  for (int i = 0; i < 16; i++) {
    snprintf(card, sizeof card, "gpu%d", i);
    if (visible && strcmp(read_text(card, "uuid", uuid, sizeof uuid), visible) == 0) return SUCCESS;
  }
  return NO_DEVICE;
}

static int allocate(void **block, size_t size) {
  if (used_bytes(card) + size > read_number(card, "total")) return OUT_OF_MEMORY;
  for (size_t i = 0; i < MAX_BLOCKS; i++) {
    if (blocks[i] != 0) continue;
    blocks[i] = size;
    *block = (void *)(i + 1);
    tell();
    return SUCCESS;
  }
  return OUT_OF_MEMORY;
}

static int let_go(void *block) {
  blocks[(size_t)block - 1] = 0;
  tell();
  return SUCCESS;
}

int NAME(cuInit, hipInit)(unsigned flags) { return flags == 0 ? open_card() : NO_DEVICE; }
int NAME(cuMemAlloc_v2, hipMalloc)(void **block, size_t size) { return allocate(block, size); }
int NAME(cuMemFree_v2, hipFree)(void *block) { return let_go(block); }

#ifdef HIP
int hipSetDevice(int device) {
  tell();
  return device == 0 ? SUCCESS : NO_DEVICE;
}
#else
int cuDeviceGet(int *device, int ordinal) {
  *device = ordinal;
  return ordinal == 0 ? SUCCESS : NO_DEVICE;
}
int cuDevicePrimaryCtxRetain(void **context, int device) {
  (void)device;
  *context = card;
  tell();
  return SUCCESS;
}
int cuCtxSetCurrent(void *context) { return context == card ? SUCCESS : NO_DEVICE; }
#endif
