/* A card that is not there, as a folder that a test edits and that stand-ins for the vendors' libraries read and write.
 * PLIMSOLL_STAND_IN names it:
 *
 *   driver               its version
 *   hang                 the name of a function; while the file is there, the function does not return
 *   gpu0/                one folder for each GPU; mig0/, mig1/ in it for the parts of a split one
 *     uuid, name         texts
 *     total, reserved    bytes
 *     extra              bytes that are in use and belong to no listed process
 *     compute/PID        bytes of a process ("na 500": 500 that the driver does not tell); also graphics/PID
 *     linger             while it is there, processes that have ended hold what they held
 *     utilisation, ecc, retired, remap_failed, xids   numbers; xids one a line, each is told once
 *     lost               while it is there, the GPU does not answer
 */
#ifndef PLIMSOLL_CARD_H
#define PLIMSOLL_CARD_H

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 1024, MAX_PROCESSES = 256 };

struct process {
  unsigned pid;
  unsigned long long bytes;
  int is_told;
};

static inline const char *card_path(char *buffer, const char *folder, const char *name) {
  const char *root = getenv("PLIMSOLL_STAND_IN");
  snprintf(buffer, PATH_SIZE, "%s/%s/%s", root ? root : "/nowhere", folder, name);
  return buffer;
}

static inline int has_file(const char *folder, const char *name) {
  char path[PATH_SIZE];
  return access(card_path(path, folder, name), F_OK) == 0;
}

/* The first line; an empty text where there is no such file. */
static inline char *read_text(const char *folder, const char *name, char *text, size_t size) {
  char path[PATH_SIZE];
  FILE *file = fopen(card_path(path, folder, name), "r");
  text[0] = 0;
  if (!file) return text;
  if (!fgets(text, (int)size, file)) text[0] = 0;
  fclose(file);
  text[strcspn(text, "\n")] = 0;
  return text;
}

static inline unsigned long long read_number(const char *folder, const char *name) {
  char text[64];
  return strtoull(read_text(folder, name, text, sizeof text), NULL, 10);
}

/* Waits while the function is to hang. */
static inline void maybe_hang(const char *function) {
  char name[128];
  while (strcmp(read_text(".", "hang", name, sizeof name), function) == 0) usleep(1000);
}

/* The processes of a list, without those that have ended and do not linger. */
static inline unsigned read_processes(const char *folder, const char *list, struct process *found) {
  char path[PATH_SIZE], name[PATH_SIZE], text[64];
  unsigned count = 0;
  DIR *entries = opendir(card_path(path, folder, list));
  struct dirent *entry;
  if (!entries) return 0;
  while ((entry = readdir(entries)) && count < MAX_PROCESSES) {
    unsigned pid = (unsigned)strtoul(entry->d_name, NULL, 10);
    if (pid == 0 || strchr(entry->d_name, '.')) continue;
    if (kill((pid_t)pid, 0) != 0 && !has_file(folder, "linger")) continue;
    snprintf(name, sizeof name, "%s/%s", list, entry->d_name);
    read_text(folder, name, text, sizeof text);
    found[count].pid = pid;
    found[count].is_told = strncmp(text, "na", 2) != 0;
    found[count].bytes = strtoull(text + (found[count].is_told ? 0 : 2), NULL, 10);
    count++;
  }
  closedir(entries);
  return count;
}

/* All bytes that are not free: a process in both lists counts once. */
static inline unsigned long long used_bytes(const char *folder) {
  struct process compute[MAX_PROCESSES], graphics[MAX_PROCESSES];
  unsigned computing = read_processes(folder, "compute", compute);
  unsigned drawing = read_processes(folder, "graphics", graphics);
  unsigned long long sum = read_number(folder, "reserved") + read_number(folder, "extra");
  for (unsigned i = 0; i < computing; i++) sum += compute[i].bytes;
  for (unsigned i = 0; i < drawing; i++) {
    int is_both = 0;
    for (unsigned j = 0; j < computing; j++) is_both |= compute[j].pid == graphics[i].pid;
    if (!is_both) sum += graphics[i].bytes;
  }
  return sum;
}

/* Replaces a file at once, so that a reader sees the old text or the new. */
static inline void write_text(const char *folder, const char *name, const char *text) {
  char path[PATH_SIZE], fresh[PATH_SIZE + 8];
  snprintf(fresh, sizeof fresh, "%s.tmp", card_path(path, folder, name));
  FILE *file = fopen(fresh, "w");
  if (!file) return;
  fputs(text, file);
  fclose(file);
  rename(fresh, path);
}

#endif
