/* The cheapest plugin of the C interface: it gives a copy of the request. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "loadr_plugin.h"

static uint8_t *copy(const void *text, size_t length, size_t *out_len)
{
    uint8_t *result = malloc(length);

    if (result != NULL)
        memcpy(result, text, length);
    *out_len = length;
    return result;
}

uint32_t loadr_plugin_abi_version(void)
{
    return 1;
}

uint8_t *loadr_plugin_info(size_t *out_len)
{
    static const char info[] = "{\"name\":\"bench-echo\",\"version\":\"0.1.0\",\"kind\":\"protocol\",\"schemes\":[\"echo\"]}";

    return copy(info, sizeof info - 1, out_len);
}

uint8_t *loadr_plugin_execute(const uint8_t *req, size_t req_len, size_t *out_len)
{
    return copy(req, req_len, out_len);
}

void loadr_plugin_free(uint8_t *ptr, size_t len)
{
    (void)len;
    free(ptr);
}
