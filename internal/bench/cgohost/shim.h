/* What a host that uses cgo would write by hand to call a Rust plugin: the few structures of abi_stable 0.11 that a protocol
 * needs, and one function that does a whole call, so that Go crosses once. */
#ifndef SHIM_H
#define SHIM_H

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    uint8_t *buffer;
    size_t length, capacity;
    const char *vtable; /* a prefix reference: its value begins 16 bytes on */
} rstring;

typedef struct {
    const char *vtable;
    void *data;
    const char *box_vtable;
} object;

typedef struct {
    uint64_t words[5]; /* byte 0 is the tag, 0 for a value, which is word 1 */
} constructed;

typedef constructed (*constructor)(void);
typedef rstring (*make_text)(void);
typedef object (*make_object)(void);
typedef rstring (*execute)(void *, rstring);
typedef void (*grow)(rstring *, size_t, int32_t);
typedef void (*drop)(rstring *);

typedef struct {
    execute execute;
    grow grow;
    drop drop;
    void *self;
    const char *vtable; /* of the library's strings */
    rstring spare;      /* a buffer that waits for the next request */
} rust_protocol;

typedef struct {
    uint8_t *(*execute)(const uint8_t *, size_t, size_t *);
    void (*release)(uint8_t *, size_t);
} c_protocol;

#define FIELD(type, value, offset) (*(const type *)((value) + (offset)))

static inline const char *open_rust(const char *path, rust_protocol *p)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const char *header, *module, *value;
    constructed made;
    object protocol;
    rstring info;

    if (library == NULL)
        return dlerror();
    header = dlsym(library, "_1as_0lib_1header_0root_bmodule_bloader");
    if (header == NULL)
        return "not a library of abi_stable";
    made = FIELD(constructor, header, 144)();
    if ((uint8_t)made.words[0] != 0)
        return "the constructor failed";
    module = (const char *)(uintptr_t)made.words[1] + 16;
    if (FIELD(uint8_t, module, 32) != 0)
        return "no protocol";
    info = FIELD(make_text, module, 8)();
    p->vtable = info.vtable;
    value = info.vtable + 16;
    p->drop = FIELD(drop, value, 8);
    p->grow = FIELD(grow, value, 16);
    p->drop(&info);
    protocol = FIELD(make_object, module, 40)();
    p->self = protocol.data;
    p->execute = FIELD(execute, protocol.vtable + 16, 16);
    p->spare = (rstring){(uint8_t *)1, 0, 0, p->vtable};
    return NULL;
}

/* The same operations as a Rust host's: a new string, the call. The reply is the caller's to drop. */
static inline rstring call_rust(const rust_protocol *p, const void *request, size_t length)
{
    rstring text = {(uint8_t *)1, 0, 0, p->vtable};

    p->grow(&text, length, 0);
    memcpy(text.buffer, request, length);
    text.length = length;
    return p->execute(p->self, text);
}

static inline void drop_rust(const rust_protocol *p, rstring *text)
{
    p->drop(text);
}

/* The reply's buffer takes the next request. The reply is valid until the next call. */
static inline const rstring *recycle_rust(rust_protocol *p, const void *request, size_t length)
{
    if (p->spare.capacity < length)
        p->grow(&p->spare, length, 0);
    memcpy(p->spare.buffer, request, length);
    p->spare.length = length;
    p->spare = p->execute(p->self, p->spare);
    return &p->spare;
}

static inline const char *open_c(const char *path, c_protocol *p)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (library == NULL)
        return dlerror();
    *(void **)&p->execute = dlsym(library, "loadr_plugin_execute");
    *(void **)&p->release = dlsym(library, "loadr_plugin_free");
    return p->execute == NULL || p->release == NULL ? "not a library of the C interface" : NULL;
}

static inline uint8_t *call_c(const c_protocol *p, const uint8_t *request, size_t length, size_t *out)
{
    return p->execute(request, length, out);
}

static inline void free_c(const c_protocol *p, uint8_t *reply, size_t length)
{
    p->release(reply, length);
}

#endif
