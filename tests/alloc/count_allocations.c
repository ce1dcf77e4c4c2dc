/* Preloaded into the engine (LD_PRELOAD): counts the heap calls of each thread in a shared file, so that a test can
 * read them while the engine runs. DF_ALLOC_FILE names the file. Threads beyond the table are not counted. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void* __libc_malloc(size_t);
extern void* __libc_calloc(size_t, size_t);
extern void* __libc_realloc(void*, size_t);
extern void* __libc_memalign(size_t, size_t);

enum { kThreads = 256 };
struct row {
  uint64_t tid;
  uint64_t calls;
};
static struct row* table;
static atomic_uint used;
static __thread struct row* mine __attribute__((tls_model("initial-exec")));

__attribute__((constructor)) static void open_table(void) {
  const char* path = getenv("DF_ALLOC_FILE");
  if (path == NULL) return;
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate(fd, sizeof(struct row) * kThreads) != 0) abort();
  table = mmap(NULL, sizeof(struct row) * kThreads, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (table == MAP_FAILED) abort();
  close(fd);
}

static void count(void) {
  if (mine == NULL) {
    if (table == NULL) return;
    unsigned index = atomic_fetch_add(&used, 1);
    if (index >= kThreads) abort();
    mine = &table[index];
    mine->tid = (uint64_t)syscall(SYS_gettid);
  }
  ++mine->calls;
}

void* malloc(size_t size) {
  count();
  return __libc_malloc(size);
}
void* calloc(size_t n, size_t size) {
  count();
  return __libc_calloc(n, size);
}
void* realloc(void* old, size_t size) {
  count();
  return __libc_realloc(old, size);
}
void* memalign(size_t alignment, size_t size) {
  count();
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
int posix_memalign(void** out, size_t alignment, size_t size) {
  *out = memalign(alignment, size);
  return *out == NULL ? ENOMEM : 0;
}
