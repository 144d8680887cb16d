/* A plugin that counts what it hands out and what it gets back, and misbehaves on demand: a request such as
 * {"do":"sleep","ms":50} names what to do. Macros, set with -D, make whole variants. */
#include "loadr_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef VERSION
#define VERSION 1
#endif
#ifndef INFO
#define INFO "{\"name\":\"trouble\",\"version\":\"0.1.0\",\"kind\":\"protocol\",\"schemes\":[\"trouble\"],\"future\":1}"
#endif

/* Every buffer has this in front of it. The magic is turned around when the buffer comes back, so that a second time
 * is seen; the memory is then kept, or the proof would be gone. */
struct header {
    size_t length;
    unsigned magic;
};
#define ALIVE 0xA11CEu
#define DEAD 0xDEADu

static long handed_out, came_back, wrong_length, twice, executes, infos, versions, busy, most_busy, torn;

static uint8_t *hand_out(const void *text, size_t length, size_t *out_len) {
    struct header *h = malloc(sizeof *h + (length ? length : 1));
    h->length = length;
    h->magic = ALIVE;
    if (text) memcpy(h + 1, text, length);
    else memset(h + 1, 'x', length);
    __atomic_add_fetch(&handed_out, 1, __ATOMIC_SEQ_CST);
    *out_len = length;
    return (uint8_t *)(h + 1);
}

static uint8_t *hand_out_text(const char *text, size_t *out_len) { return hand_out(text, strlen(text), out_len); }

uint32_t loadr_plugin_abi_version(void) {
    versions++;
    return VERSION;
}

uint8_t *loadr_plugin_info(size_t *out_len) {
    infos++;
#ifdef INFO_PRINTS
    printf("a line from info\n");
    fflush(stdout);
#endif
#ifdef INFO_NULL
    *out_len = INFO_NULL;
    return NULL;
#else
    return hand_out_text(INFO, out_len);
#endif
}

#ifndef NO_FREE
void loadr_plugin_free(uint8_t *ptr, size_t len) {
    struct header *h = (struct header *)ptr - 1;
    unsigned was = __atomic_exchange_n(&h->magic, DEAD, __ATOMIC_SEQ_CST);
    if (was != ALIVE) __atomic_add_fetch(&twice, 1, __ATOMIC_SEQ_CST);
    if (h->length != len) __atomic_add_fetch(&wrong_length, 1, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&came_back, 1, __ATOMIC_SEQ_CST);
    memset(ptr, 0xEE, h->length); /* whoever still reads it finds no JSON */
}
#endif

static int asked(const char *text, const char *what) {
    char pattern[64];
    snprintf(pattern, sizeof pattern, "\"do\":\"%s\"", what);
    return strstr(text, pattern) != NULL;
}

static long number(const char *text, const char *key) {
    char pattern[64];
    snprintf(pattern, sizeof pattern, "\"%s\":", key);
    const char *at = strstr(text, pattern);
    return at ? atol(at + strlen(pattern)) : 0;
}

static uint8_t *stats(size_t *out_len) {
    char text[400];
    snprintf(text, sizeof text,
             "{\"handed_out\":%ld,\"came_back\":%ld,\"wrong_length\":%ld,\"twice\":%ld,\"executes\":%ld,\"infos\":%ld,"
             "\"versions\":%ld,\"most_busy\":%ld,\"torn\":%ld,\"pid\":%ld}",
             handed_out, came_back, wrong_length, twice, executes, infos, versions, most_busy, torn, (long)getpid());
    return hand_out_text(text, out_len);
}

static void crash(const char *text) {
    if (!asked(text, "segv") && !asked(text, "abort") && !asked(text, "exit")) return;
    fprintf(stderr, "about to misbehave\n");
    if (asked(text, "segv")) *(volatile int *)8 = 1;
    if (asked(text, "abort")) abort();
    if (asked(text, "exit")) exit(7);
}

/* Leaves a process behind that keeps all descriptors which it can. */
static void leave_behind(void) {
    if (fork() == 0) {
        sleep(20);
        _exit(0);
    }
}

static uint8_t *act(const char *text, const uint8_t *req, size_t len, size_t *out_len) {
    *out_len = 0;
    if (asked(text, "stats")) return stats(out_len);
    if (asked(text, "null")) return NULL;
    if (asked(text, "null-length")) return *out_len = 5, NULL;
    if (asked(text, "not-json")) return hand_out_text("{\"status\":200", out_len);
    if (asked(text, "not-utf8")) return hand_out_text("\"\xff\"", out_len);
    if (asked(text, "not-response")) return hand_out_text("[1,2]", out_len);
    if (asked(text, "big")) {
        uint8_t *big = hand_out(NULL, (size_t)number(text, "bytes"), out_len);
        return big[0] = big[*out_len - 1] = '"', big;
    }
    if (asked(text, "environment")) {
        char reply[400];
        const char *value = getenv("TROUBLE");
        snprintf(reply, sizeof reply, "{\"value\":\"%s\",\"home\":%s}", value ? value : "", getenv("HOME") ? "true" : "false");
        return hand_out_text(reply, out_len);
    }
    if (asked(text, "sleep")) {
        usleep((useconds_t)number(text, "ms") * 1000);
        if (memcmp(text, req, len < 100 ? len : 100) != 0) __atomic_add_fetch(&torn, 1, __ATOMIC_SEQ_CST);
    }
    if (asked(text, "hang")) for (;;) pause();
    if (asked(text, "spin")) for (volatile long n = 0;; n++) {}
    if (asked(text, "leave-behind")) leave_behind();
    if (asked(text, "print")) {
        printf("on standard output\n");
        fflush(stdout);
        fprintf(stderr, "on standard error\n");
        if (write(1, "{\"status\":1}\n", 13) != 13) abort();
    }
    crash(text);
    return hand_out(req, len, out_len);
}

#ifndef NO_EXECUTE
uint8_t *loadr_plugin_execute(const uint8_t *req, size_t req_len, size_t *out_len) {
    char text[256];
    size_t n = req_len < sizeof text - 1 ? req_len : sizeof text - 1;
    long now = __atomic_add_fetch(&busy, 1, __ATOMIC_SEQ_CST);
    long most = __atomic_load_n(&most_busy, __ATOMIC_SEQ_CST);
    while (now > most && !__atomic_compare_exchange_n(&most_busy, &most, now, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {}
    __atomic_add_fetch(&executes, 1, __ATOMIC_SEQ_CST);
    memcpy(text, req, n);
    text[n] = 0;
    uint8_t *reply = act(text, req, req_len, out_len);
    __atomic_sub_fetch(&busy, 1, __ATOMIC_SEQ_CST);
    return reply;
}
#endif

#ifdef CONSTRUCTOR
__attribute__((constructor)) static void constructor(void) {
    printf("a line from the constructor\n");
    fflush(stdout);
    CONSTRUCTOR;
}
#endif
