/* A protocol plugin whose behaviour the build chooses: NAME and VERSION are what it says of itself, and one of the
 * macros below makes it misbehave. */
#include "loadr_plugin.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifndef _WIN32
#include <unistd.h>
#endif

#ifndef NAME
#define NAME "other"
#endif
#ifndef VERSION
#define VERSION "0.1.0"
#endif
#ifndef KIND
#define KIND "protocol"
#endif
#ifndef ABI
#define ABI LOADR_PLUGIN_ABI_VERSION
#endif

static uint8_t *text(const char *s, size_t *len) {
    uint8_t *out = malloc(strlen(s) + 1);
    *len = strlen(s);
    return memcpy(out, s, *len + 1);
}

#ifdef MARK
/* Leaves a file where the test looks for it, as soon as the library is opened. */
__attribute__((constructor)) static void mark(void) {
    const char *path = getenv("MARK");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    fputs("this library was opened\n", file);
    fclose(file);
}
#endif

#ifndef BARE
uint32_t loadr_plugin_abi_version(void) { return ABI; }

uint8_t *loadr_plugin_info(size_t *out_len) {
#ifdef BAD_INFO
    return text("{\"name\":", out_len);
#else
    return text("{\"name\":\"" NAME "\",\"version\":\"" VERSION "\",\"kind\":\"" KIND "\",\"schemes\":[\"other\"]}", out_len);
#endif
}

uint8_t *loadr_plugin_execute(const uint8_t *req, size_t req_len, size_t *out_len) {
    (void)req, (void)req_len;
#ifdef CRASH
    fputs("a first word\nthese were the last words\n", stderr);
    fflush(stderr);
    raise(SIGSEGV);
#endif
#ifdef HANG
    fputs("hanging\n", stderr);
    fflush(stderr);
    for (;;) sleep(60);
#endif
#ifdef NULL_REPLY
    *out_len = 7;
    return NULL;
#endif
#ifdef BAD_JSON
    return text("{\"status\": oops}", out_len);
#endif
#ifdef FAILS
    return text("{\"status\":0,\"body_b64\":\"\",\"error\":\"connection refused\"}", out_len);
#endif
#ifdef STEERS
    return text("{\"status\":200,\"status_text\":\"\\u001b[2Jgone\",\"headers\":[[\"a\\u001bb\",\"c\"]],\"body_b64\":\"\"}", out_len);
#endif
    puts("chatter on standard output"); /* must not get into the conversation with the host */
    fflush(stdout);
    return text("{\"status\":200,\"status_text\":\"OK\",\"body_b64\":\"b3RoZXI=\"}", out_len);
}

#ifndef NO_FREE
void loadr_plugin_free(uint8_t *ptr, size_t len) {
    (void)len;
    free(ptr);
}
#endif
#endif
