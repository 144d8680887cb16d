/* SPDX-License-Identifier: Apache-2.0
 *
 * The plain C interface of a loadr protocol plugin, version 1. It is frozen: these four functions never change.
 *
 * A plugin is a dynamic library that exports all four. Include this header, define the functions, and compile with
 *
 *     cc -std=c99 -O2 -shared -fPIC -fvisibility=hidden -o libmy_plugin.so my_plugin.c
 *
 * (.dylib on macOS; .dll on Windows, without -fPIC). examples/c-echo is a complete plugin, docs/spec/c-abi.md the
 * specification with the JSON that crosses.
 *
 * Texts are JSON in UTF-8, not terminated by a zero byte: their length is what counts.
 */
#ifndef LOADR_PLUGIN_H
#define LOADR_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#define LOADR_PLUGIN_ABI_VERSION 1u

/* The host finds the functions by name, so they must be visible even under -fvisibility=hidden. */
#if defined(_WIN32)
#define LOADR_PLUGIN_EXPORT __declspec(dllexport)
#elif defined(__GNUC__)
#define LOADR_PLUGIN_EXPORT __attribute__((visibility("default")))
#else
#define LOADR_PLUGIN_EXPORT
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Returns LOADR_PLUGIN_ABI_VERSION. Called once, before anything else; a host refuses a number it does not know. */
LOADR_PLUGIN_EXPORT uint32_t loadr_plugin_abi_version(void);

/* Returns the plugin's description as JSON and stores its length in bytes in *out_len:
 *
 *     {"name": "my-plugin", "version": "0.1.0", "kind": "protocol", "description": "...", "schemes": ["my"]}
 *
 * Called once, before the first execute. */
LOADR_PLUGIN_EXPORT uint8_t *loadr_plugin_info(size_t *out_len);

/* Performs one request and returns the reply as JSON, its length in bytes in *out_len.
 *
 * The host calls it from many threads at once. It may block: the host gives every call a thread of its own. The request
 * belongs to the host and is gone after the return. A request that fails is a reply with "error", not a crash: nothing
 * may be thrown or unwound across this boundary. */
LOADR_PLUGIN_EXPORT uint8_t *loadr_plugin_execute(const uint8_t *req, size_t req_len, size_t *out_len);

/* Takes back a buffer that info or execute returned. The host calls it exactly once for each, with the same pointer and
 * the same length, from any thread.
 *
 * A null pointer with length 0 means an empty text and is not handed back; a null pointer with any other length means
 * that no reply could be made (out of memory). */
LOADR_PLUGIN_EXPORT void loadr_plugin_free(uint8_t *ptr, size_t len);

#ifdef __cplusplus
}
#endif

#endif
