// Configuration files: any text is read or refused with a reason that names the place.
#include <string.h>

#include "base/assert.h"
#include "fuzz.h"
#include "host/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct host_config config; // too large for a stack
    struct buf why = {0};
    enum err err = config_parse(&config, span_of(data, size), &why);
    ASSERT((err == OK) == (why.n == 0));
    if (err != OK) {
        ASSERT(why.n > strlen("configuration:") && memcmp(why.p, "configuration:", strlen("configuration:")) == 0);
    } else {
        ASSERT(config.listen_count <= HOST_LISTEN_MAX);
        ASSERT(memchr(config.name, 0, sizeof(config.name)) != NULL);
        ASSERT(memchr(config.data_dir, 0, sizeof(config.data_dir)) != NULL);
        ASSERT(memchr(config.proxy.password, 0, sizeof(config.proxy.password)) != NULL);
    }
    host_config_wipe(&config);
    buf_free(&why);
    return 0;
}
