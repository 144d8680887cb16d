/* SPDX-License-Identifier: Apache-2.0
 *
 * c-echo: a loadr protocol plugin in plain C99, with no library but the standard one. It answers a request with the
 * request's own headers and body.
 *
 * It reads the request with a strict JSON scanner that only remembers where values lie. Values that are repeated in the
 * reply are copied as they came, so nothing is decoded that need not be. There is no global state: execute is called
 * from many threads at once.
 */
#include "loadr_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Deeper nesting is refused, so that a hostile request cannot use up the stack. */
#define MAX_DEPTH 64

/* ---- The JSON scanner. Functions that return int give 1, or 0 after fail. ---- */

struct span {
    const char *at; /* NULL: the value is not there */
    size_t len;
};

struct scan {
    const char *start, *at, *end;
    const char *problem; /* the first thing that is wrong; NULL while all is well */
};

static int fail(struct scan *s, const char *problem) {
    if (!s->problem) s->problem = problem;
    return 0;
}

static int peek(const struct scan *s) { return s->at < s->end ? (unsigned char)*s->at : -1; }

static void skip_space(struct scan *s) {
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r')) s->at++;
}

static int take(struct scan *s, char c) {
    skip_space(s);
    if (peek(s) != c) return 0;
    s->at++;
    return 1;
}

static int digits(struct scan *s) {
    if (peek(s) < '0' || peek(s) > '9') return fail(s, "expected a digit");
    while (peek(s) >= '0' && peek(s) <= '9') s->at++;
    return 1;
}

static int number(struct scan *s) {
    if (peek(s) == '-') s->at++;
    if (peek(s) == '0') s->at++;
    else if (!digits(s)) return 0;
    if (peek(s) == '.') {
        s->at++;
        if (!digits(s)) return 0;
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        s->at++;
        if (peek(s) == '+' || peek(s) == '-') s->at++;
        return digits(s);
    }
    return 1;
}

/* Reads four hexadecimal digits; -1 when they are not there. */
static long hex4(struct scan *s) {
    long code = 0;
    for (int i = 0; i < 4; i++, s->at++) {
        int c = peek(s);
        if (c >= '0' && c <= '9') code = code * 16 + (c - '0');
        else if (c >= 'a' && c <= 'f') code = code * 16 + (c - 'a' + 10);
        else if (c >= 'A' && c <= 'F') code = code * 16 + (c - 'A' + 10);
        else return -1;
    }
    return code;
}

/* Reads what follows "\u". A surrogate must come with its other half: a text with half a character is not Unicode. */
static long unicode_escape(struct scan *s) {
    long high = hex4(s), low;
    if (high < 0xD800 || high > 0xDFFF) return high;
    if (high > 0xDBFF || s->end - s->at < 2 || s->at[0] != '\\' || s->at[1] != 'u') return -1;
    s->at += 2;
    low = hex4(s);
    if (low < 0xDC00 || low > 0xDFFF) return -1;
    return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

/* Reads what follows a backslash; -1 when it is no escape. */
static long escape(struct scan *s) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    int c = peek(s);
    const char *found;
    if (c <= 0) return -1;
    s->at++;
    if (c == 'u') return unicode_escape(s);
    found = strchr(from, c);
    return found ? (unsigned char)to[found - from] : -1;
}

/* Reads one UTF-8 sequence, by the table of well-formed sequences of the Unicode standard (3-7); -1 when malformed. */
static long utf8(struct scan *s) {
    int lead = peek(s), more = lead < 0x80 ? 0 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
    int low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    int high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    long code = more == 0 ? lead : lead & (0x3F >> more);
    if (lead < 0 || (lead >= 0x80 && lead < 0xC2) || lead > 0xF4) return -1;
    for (s->at++; more > 0; more--, s->at++, low = 0x80, high = 0xBF) {
        int c = peek(s);
        if (c < low || c > high) return -1;
        code = code << 6 | (c & 0x3F);
    }
    return code;
}

/* Reads one character of a string, an escape decoded; -1 when it is not well formed. */
static long character(struct scan *s) {
    if (peek(s) < 0x20) return -1;
    if (peek(s) != '\\') return utf8(s);
    s->at++;
    return escape(s);
}

/* Steps over what most of a string is: printable ASCII without quotes and backslashes. */
static void skip_plain(struct scan *s) {
    const unsigned char *at = (const unsigned char *)s->at, *end = (const unsigned char *)s->end;
    while (at < end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\') at++;
    s->at = (const char *)at;
}

static int string(struct scan *s) {
    if (peek(s) != '"') return fail(s, "expected a string");
    s->at++;
    for (skip_plain(s); peek(s) != '"'; skip_plain(s)) {
        if (character(s) < 0) return fail(s, "string is not well formed");
    }
    s->at++;
    return 1;
}

static int value(struct scan *s, int depth, struct span *found);

/* Steps through an array or object: 1 when a member follows, 0 at its end or when something is wrong. The caller has
 * consumed the opening bracket and starts with *first set. */
static int more(struct scan *s, char close, int *first) {
    if (take(s, close)) return 0;
    if (!*first && !take(s, ',')) return fail(s, "expected a comma or the end of the array or object");
    *first = 0;
    skip_space(s);
    return 1;
}

/* Reads the next member's key and the colon behind it. */
static int member(struct scan *s, int *first, struct span *key) {
    if (!more(s, '}', first)) return 0;
    key->at = s->at;
    if (!string(s)) return 0;
    key->len = (size_t)(s->at - key->at);
    if (!take(s, ':')) return fail(s, "expected a colon after the key");
    return 1;
}

static int object(struct scan *s, int depth) {
    struct span key;
    int first = 1;
    s->at++;
    while (member(s, &first, &key) && value(s, depth, NULL)) {}
    return !s->problem;
}

static int array(struct scan *s, int depth) {
    int first = 1;
    s->at++;
    while (more(s, ']', &first) && value(s, depth, NULL)) {}
    return !s->problem;
}

static int literal(struct scan *s, const char *word) {
    size_t n = strlen(word);
    if ((size_t)(s->end - s->at) < n || memcmp(s->at, word, n) != 0) return fail(s, "expected a value");
    s->at += n;
    return 1;
}

/* Checks any value and remembers where it lies. */
static int value(struct scan *s, int depth, struct span *found) {
    const char *start;
    int ok;
    if (depth >= MAX_DEPTH) return fail(s, "nested too deeply");
    skip_space(s);
    start = s->at;
    switch (peek(s)) {
    case '{': ok = object(s, depth + 1); break;
    case '[': ok = array(s, depth + 1); break;
    case '"': ok = string(s); break;
    case 't': ok = literal(s, "true"); break;
    case 'f': ok = literal(s, "false"); break;
    case 'n': ok = literal(s, "null"); break;
    case -1: return fail(s, "ends before a value");
    default: ok = number(s);
    }
    if (ok && found) {
        found->at = start;
        found->len = (size_t)(s->at - start);
    }
    return ok;
}

static struct scan scan_of(struct span text) {
    struct scan s = {text.at, text.at, text.at + text.len, NULL};
    return s;
}

/* Says whether a checked string, quotes included, spells an ASCII word; keys may be written with escapes. */
static int spells(struct span text, const char *word) {
    struct scan s = scan_of(text);
    for (s.at++; peek(&s) != '"'; word++) {
        if (character(&s) != (unsigned char)*word || *word == 0) return 0;
    }
    return *word == 0;
}

static int is_string(struct span v) { return v.at && *v.at == '"'; }

/* null counts as absent, as it does for the engine. */
static int is_absent(struct span v) { return !v.at || *v.at == 'n'; }

/* A key to look for, and the value that was found. */
struct field {
    const char *key;
    struct span value;
};

/* Checks an object and fills in the fields, which end with one without a key. The last one counts when a key is written
 * twice. */
static int fields(struct scan *s, struct field *wanted) {
    struct span key, found;
    int first = 1;
    if (!take(s, '{')) return fail(s, s->at == s->end ? "ends before an object" : "expected an object");
    while (member(s, &first, &key) && value(s, 1, &found)) {
        for (struct field *f = wanted; f->key; f++) {
            if (spells(key, f->key)) f->value = found;
        }
    }
    return !s->problem;
}

/* ---- The growing text of a reply ---- */

struct text {
    char *at;
    size_t len, room;
    int failed; /* out of memory */
};

static void reserve(struct text *t, size_t n) {
    size_t room = t->room ? t->room : 512;
    char *at;
    if (t->failed || t->room - t->len >= n) return;
    while (room - t->len < n) {
        if (room > (size_t)-1 / 2) {
            t->failed = 1;
            return;
        }
        room *= 2;
    }
    at = realloc(t->at, room);
    if (!at) t->failed = 1;
    else t->at = at, t->room = room;
}

static void put(struct text *t, const char *at, size_t n) {
    reserve(t, n);
    if (t->failed) return;
    memcpy(t->at + t->len, at, n);
    t->len += n;
}

static void put_word(struct text *t, const char *word) { put(t, word, strlen(word)); }

static void put_span(struct text *t, struct span v, const char *absent) {
    if (is_absent(v)) put_word(t, absent);
    else put(t, v.at, v.len);
}

/* Numbers are written as integers only: printf writes fractions in the host's locale, which is not JSON. */
static void put_number(struct text *t, unsigned long n) {
    char digits_of[24];
    put(t, digits_of, (size_t)sprintf(digits_of, "%lu", n));
}

/* Hands the text to the host. No memory means a null pointer with a length, which the host takes as an error. */
static uint8_t *hand_over(struct text *t, size_t *out_len) {
    if (t->failed) {
        free(t->at);
        *out_len = 1;
        return NULL;
    }
    *out_len = t->len;
    return (uint8_t *)t->at;
}

/* ---- The protocol ---- */

static double now_ms(void) {
#ifdef TIME_UTC /* C11; plain C99 has no clock of its own for waiting time */
    struct timespec t;
    if (timespec_get(&t, TIME_UTC)) return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
#endif
    return 0;
}

static uint8_t *error_reply(const char *what, size_t where, size_t *out_len) {
    struct text t = {NULL, 0, 0, 0};
    put_word(&t, "{\"status\":0,\"body_b64\":\"\",\"error\":\"c-echo: request: ");
    put_word(&t, what); /* our own words, which need no escapes */
    put_word(&t, " at byte ");
    put_number(&t, (unsigned long)where);
    put_word(&t, "\"}");
    return hand_over(&t, out_len);
}

/* Checks that the value is an array of [name, value] pairs of strings. */
static int is_headers(struct span headers) {
    struct scan s = scan_of(headers);
    int first = 1, first_inside, strings;
    if (peek(&s) != '[') return 0;
    for (s.at++; more(&s, ']', &first);) {
        if (!take(&s, '[')) return 0;
        for (first_inside = 1, strings = 0; more(&s, ']', &first_inside); strings++) {
            if (!string(&s)) return 0;
        }
        if (strings != 2) return 0;
    }
    return 1;
}

static int is_base64(long c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

/* Appends the characters of a base64 string, escapes such as "\/" decoded. Returns how many bytes they stand for, or -1
 * when it is not base64 with padding (RFC 4648, section 4). */
static long put_base64(struct text *t, struct span body) {
    struct scan s = scan_of(body);
    long count = 0, padding = 0;
    reserve(t, body.len); /* an escape is longer than what it stands for */
    if (t->failed) return 0;
    for (s.at++; peek(&s) != '"'; count++) {
        long c = *s.at == '\\' ? character(&s) : *s.at++;
        if (c == '=') padding++;
        else if (padding || !is_base64(c)) return -1;
        t->at[t->len++] = (char)c;
    }
    return count % 4 || padding > 2 ? -1 : count / 4 * 3 - padding;
}

/* The reply's status: config.status when it is an integer from 100 to 999, as in plugin.toml, else 200. */
static int status_of(struct span config) {
    struct field wanted[] = {{"status", {NULL, 0}}, {NULL, {NULL, 0}}};
    struct span v;
    struct scan s;
    if (!config.at || *config.at != '{') return 200;
    s = scan_of(config);
    fields(&s, wanted);
    v = wanted[0].value;
    if (!v.at || v.len != 3 || strspn(v.at, "0123456789") != 3) return 200; /* a comma or brace follows it */
    return atoi(v.at);
}

struct request {
    struct span method, url, headers, body, config;
};

/* Finds what the reply needs. Returns NULL, or what is wrong and where. */
static const char *read_request(struct request *r, struct span text, size_t *where) {
    struct field wanted[] = {
        {"method", {NULL, 0}}, {"url", {NULL, 0}},    {"headers", {NULL, 0}},
        {"body_b64", {NULL, 0}}, {"config", {NULL, 0}}, {NULL, {NULL, 0}},
    };
    struct scan s = scan_of(text);
    int ok = fields(&s, wanted);
    if (ok) skip_space(&s);
    *where = (size_t)(s.at - s.start);
    if (!ok) return s.problem;
    if (s.at != s.end) return "unexpected text after the object";
    r->method = wanted[0].value;
    r->url = wanted[1].value;
    r->headers = wanted[2].value;
    r->body = wanted[3].value;
    r->config = wanted[4].value;
    *where = is_absent(r->headers) ? 0 : (size_t)(r->headers.at - s.start);
    if (!is_absent(r->headers) && !is_headers(r->headers)) return "headers: expected an array of [name, value] pairs";
    *where = is_absent(r->body) ? 0 : (size_t)(r->body.at - s.start);
    if (!is_absent(r->body) && !is_string(r->body)) return "body_b64: expected a string";
    return NULL;
}

uint32_t loadr_plugin_abi_version(void) { return LOADR_PLUGIN_ABI_VERSION; }

uint8_t *loadr_plugin_info(size_t *out_len) {
    struct text t = {NULL, 0, 0, 0};
    put_word(&t, "{\"name\":\"c-echo\",\"version\":\"0.1.0\",\"kind\":\"protocol\","
                 "\"description\":\"Echoes the request\",\"schemes\":[\"echo\"]}");
    return hand_over(&t, out_len);
}

static void put_duration(struct text *t, double ms) {
    unsigned long us = ms > 0 && ms < 1e6 ? (unsigned long)(ms * 1e3) : 0; /* the clock may be set meanwhile */
    char fraction[4] = {(char)('0' + us / 100 % 10), (char)('0' + us / 10 % 10), (char)('0' + us % 10), 0};
    put_number(t, us / 1000);
    put_word(t, ".");
    put_word(t, fraction);
}

uint8_t *loadr_plugin_execute(const uint8_t *req, size_t req_len, size_t *out_len) {
    struct span request = {(const char *)req, req_len};
    struct request r = {{NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}};
    struct text t = {NULL, 0, 0, 0};
    double started = now_ms();
    size_t where = 0;
    long bytes = 0;
    int status;
    const char *problem = read_request(&r, request, &where);
    if (problem) return error_reply(problem, where, out_len);

    status = status_of(r.config);
    put_word(&t, "{\"status\":");
    put_number(&t, (unsigned long)status);
    put_word(&t, status == 200 ? ",\"status_text\":\"OK\",\"headers\":" : ",\"status_text\":\"\",\"headers\":");
    put_span(&t, r.headers, "[]");
    put_word(&t, ",\"body_b64\":\"");
    if (!is_absent(r.body)) bytes = put_base64(&t, r.body);
    if (bytes < 0) {
        free(t.at);
        return error_reply("body_b64: not base64", where, out_len);
    }
    put_word(&t, "\",\"extras\":{\"method\":");
    put_span(&t, r.method, "null");
    put_word(&t, ",\"url\":");
    put_span(&t, r.url, "null");
    put_word(&t, ",\"bytes\":");
    put_number(&t, (unsigned long)bytes);
    put_word(&t, "},\"duration_ms\":");
    put_duration(&t, now_ms() - started);
    put_word(&t, "}");
    return hand_over(&t, out_len);
}

void loadr_plugin_free(uint8_t *ptr, size_t len) {
    (void)len;
    free(ptr);
}
