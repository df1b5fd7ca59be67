// A recipient under any message: as a one-way letter, and as each side of every handshake whose first message it reads.
#include <stdlib.h>

#include "base/assert.h"
#include "crypto/noise.h"
#include "fuzz.h"

static void handshake_read(enum noise_pattern pattern, uint8_t psk_places, struct span message) {
    static const struct dh_secret own = {{1}}, ephemeral = {{2}};
    static const uint8_t psks[NOISE_PSKS_MAX][32] = {{3}};
    static const struct dh_public peer = {{9}};
    const struct noise_config config = {.pattern = pattern,
                                        .psk_places = psk_places,
                                        .own = &own,
                                        .peer = pattern == NOISE_KK ? &peer : NULL,
                                        .ephemeral = &ephemeral,
                                        .psks = psks};
    struct noise_handshake handshake;
    noise_start(&handshake, &config);
    size_t overhead = noise_overhead(&handshake);
    uint8_t *out = malloc(message.n + 1);
    ASSERT(out != NULL);
    enum err err = noise_read(out, &handshake, message);
    ASSERT(err == OK || handshake.failed);
    ASSERT(err != OK || message.n >= overhead);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    crypto_init();
    static const struct dh_secret recipient = {{1}};
    struct span message = span_of(data, size);
    struct dh_public sender;
    uint8_t *out = malloc(size + 1);
    ASSERT(out != NULL);
    if (noise_x_open(out, &sender, &recipient, (struct span){0}, message) == OK)
        ASSERT(size >= NOISE_X_OVERHEAD_BYTES);
    free(out);
    for (int pattern = 0; pattern < NOISE_PATTERNS; pattern++) {
        handshake_read((enum noise_pattern)pattern, 0, message);
        handshake_read((enum noise_pattern)pattern, 1, message);
    }
    return 0;
}
