// Counts the live allocations of the process that it is preloaded into (LD_PRELOAD).
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

static atomic_long live, made;

long heap_live(void) { return live; }
long heap_made(void) { return made; }

static void *counted(void *p) {
    if (p) {
        live++;
        made++;
    }
    return p;
}

// dlsym itself may allocate before the real functions are known; it gets zeroed memory from here, which is never freed.
static char early[65536];
static size_t used;

static void *early_memory(size_t n) {
    n = (n + 15) & ~(size_t)15;
    if (used + n > sizeof early) return NULL;
    used += n;
    return early + used - n;
}

static int is_early(void *p) { return (char *)p >= early && (char *)p < early + sizeof early; }

#define REAL(name) ((__typeof__(&name))real(&real_##name, #name))
static void *real_malloc, *real_calloc, *real_realloc, *real_free, *real_posix_memalign, *real_aligned_alloc, *real_memalign;
static _Thread_local int looking;

static void *real(void **kept, const char *name) {
    if (!*kept && !looking) {
        looking = 1;
        *kept = dlsym(RTLD_NEXT, name);
        looking = 0;
    }
    return *kept;
}

void *malloc(size_t n);
void *calloc(size_t n, size_t size);
void *realloc(void *p, size_t n);
void free(void *p);
int posix_memalign(void **p, size_t alignment, size_t n);
void *aligned_alloc(size_t alignment, size_t n);
void *memalign(size_t alignment, size_t n);

void *malloc(size_t n) {
    __typeof__(&malloc) f = REAL(malloc);
    return f ? counted(f(n)) : early_memory(n);
}

void *calloc(size_t n, size_t size) {
    __typeof__(&calloc) f = REAL(calloc);
    return f ? counted(f(n, size)) : early_memory(n * size);
}

void *realloc(void *p, size_t n) {
    if (is_early(p)) {
        void *q = malloc(n);
        if (q) memcpy(q, p, n); // more than it had, of the same array
        return q;
    }
    void *q = REAL(realloc)(p, n);
    if (!p) counted(q);
    return q;
}

void free(void *p) {
    if (!p || is_early(p)) return;
    live--;
    REAL(free)(p);
}

int posix_memalign(void **p, size_t alignment, size_t n) {
    int error = REAL(posix_memalign)(p, alignment, n);
    if (!error) counted(*p);
    return error;
}

void *aligned_alloc(size_t alignment, size_t n) { return counted(REAL(aligned_alloc)(alignment, n)); }

void *memalign(size_t alignment, size_t n) { return counted(REAL(memalign)(alignment, n)); }
