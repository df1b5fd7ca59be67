// End-to-end sealing.
#include "client/seal.h"

#include <string.h>

#include "base/assert.h"
#include "base/cursor.h"
#include "client/link.h"

#define LETTER_VERSION 1
#define LETTER_HEAD_BYTES (1 + 1 + 16 + 4 * 8 + DELIVERY_SECRET_BYTES + 2 * 32 + 64 + 2 * 32 + 8 + 2)
#define LETTER_SPARE_BYTES 68
#define PROLOGUE_DOMAIN "sotto item 1"
#define PROLOGUE_BYTES (sizeof(PROLOGUE_DOMAIN) + 32 + 32 + 8)

_Static_assert(LETTER_HEAD_BYTES + TEXT_BYTES_MAX + LETTER_SPARE_BYTES == LETTER_BYTES, "a letter fills its item");
_Static_assert(ACK_IDS_MAX * 16 <= TEXT_BYTES_MAX, "acknowledgements fit the text");

static void prologue_write(uint8_t out[static PROLOGUE_BYTES], const struct item_place *place) {
    struct writer w = writer_of(out, PROLOGUE_BYTES);
    write_bytes(&w, PROLOGUE_DOMAIN, sizeof(PROLOGUE_DOMAIN));
    write_bytes(&w, place->network->bytes, 32);
    write_bytes(&w, place->mailbox->bytes, 32);
    write_u64(&w, place->expiry_ms);
    ASSERT(w.n == PROLOGUE_BYTES);
}

#define CARD_DOMAIN "sotto card 1"
#define CARD_PARTS(card, network) \
    { SPAN_OF((network)->bytes), SPAN_OF((card)->dh.bytes), SPAN_OF((card)->mailbox.bytes) }

void card_sign(struct signature *out, const struct card *card, const struct network_id *network,
               const struct sign_secret *identity) {
    const struct span parts[] = CARD_PARTS(card, network);
    sign_parts(out, identity, CARD_DOMAIN, parts, 3);
}

static enum err card_verify(const struct signature *proof, const struct card *card, const struct network_id *network) {
    const struct span parts[] = CARD_PARTS(card, network);
    return verify_parts(proof, &card->identity, CARD_DOMAIN, parts, 3);
}

static void letter_write(uint8_t plain[static LETTER_BYTES], const struct letter *letter,
                         const struct signature *proof) {
    ASSERT(letter->text.n <= TEXT_BYTES_MAX);
    struct writer w = writer_of(plain, LETTER_BYTES);
    write_u8(&w, LETTER_VERSION);
    write_u8(&w, (uint8_t)letter->kind);
    write_bytes(&w, letter->id.bytes, 16);
    write_u64(&w, letter->stream);
    write_u64(&w, letter->sequence);
    write_u64(&w, letter->floor);
    write_u64(&w, letter->gap_expiry_ms);
    write_bytes(&w, letter->secret, DELIVERY_SECRET_BYTES);
    write_bytes(&w, letter->card.identity.bytes, 32);
    write_bytes(&w, letter->card.mailbox.bytes, 32);
    write_bytes(&w, proof->bytes, 64);
    write_bytes(&w, letter->reply_mailbox.bytes, 32);
    write_bytes(&w, letter->reply_token.bytes, 32);
    write_u64(&w, letter->reply_version);
    write_u16(&w, (uint16_t)letter->text.n);
    write_bytes(&w, letter->text.p, letter->text.n);
    write_zeros(&w, LETTER_BYTES - w.n);
}

static enum err letter_read(struct letter *out, struct signature *proof, const uint8_t plain[static LETTER_BYTES]) {
    struct reader r = reader_of(span_of(plain, LETTER_BYTES));
    uint8_t version = read_u8(&r);
    uint8_t kind = read_u8(&r);
    read_bytes(&r, out->id.bytes, 16);
    out->stream = read_u64(&r);
    out->sequence = read_u64(&r);
    out->floor = read_u64(&r);
    out->gap_expiry_ms = read_u64(&r);
    read_bytes(&r, out->secret, DELIVERY_SECRET_BYTES);
    read_bytes(&r, out->card.identity.bytes, 32);
    read_bytes(&r, out->card.mailbox.bytes, 32);
    read_bytes(&r, proof->bytes, 64);
    read_bytes(&r, out->reply_mailbox.bytes, 32);
    read_bytes(&r, out->reply_token.bytes, 32);
    out->reply_version = read_u64(&r);
    size_t n = read_u16(&r);
    if (n > TEXT_BYTES_MAX)
        return ERR_MALFORMED;
    out->text = read_span(&r, n);
    read_zeros(&r, r.n);
    if (!reader_done(&r) || version != LETTER_VERSION)
        return ERR_MALFORMED;
    out->kind = (enum letter_kind)kind;
    if (kind == LETTER_ACK)
        return n > 0 && n % 16 == 0 ? OK : ERR_MALFORMED;
    // A stream, a sequence or a floor of 0, or the very last number, would upset the counting.
    bool counted = out->stream > 0 && out->floor > 0 && out->floor <= out->sequence && out->sequence < UINT64_MAX;
    return kind == LETTER_TEXT && n > 0 && counted && text_valid(out->text) ? OK : ERR_MALFORMED;
}

enum err seal_item(uint8_t item[static ITEM_BYTES], const struct letter *letter, const struct signature *proof,
                   const struct dh_secret *sender, const struct dh_public *recipient, const struct item_place *place,
                   struct rng *rng) {
    uint8_t plain[LETTER_BYTES], prologue[PROLOGUE_BYTES];
    letter_write(plain, letter, proof);
    prologue_write(prologue, place);
    commitment_of(item, letter->secret);
    enum err err =
        noise_x_seal(item + ITEM_COMMITMENT_BYTES, sender, recipient, SPAN_OF(prologue), SPAN_OF(plain), rng);
    wipe(plain, sizeof(plain));
    return err;
}

enum err seal_open(struct letter *out, uint8_t plain[static LETTER_BYTES], const uint8_t item[static ITEM_BYTES],
                   const struct dh_secret *recipient, const struct item_place *place) {
    uint8_t prologue[PROLOGUE_BYTES], commitment[ITEM_COMMITMENT_BYTES];
    struct letter letter = {0};
    struct signature proof;
    prologue_write(prologue, place);
    enum err err = noise_x_open(plain, &letter.card.dh, recipient, SPAN_OF(prologue),
                                span_of(item + ITEM_COMMITMENT_BYTES, ITEM_SEALED_BYTES));
    if (err == OK)
        err = letter_read(&letter, &proof, plain);
    if (err != OK)
        return err;
    commitment_of(commitment, letter.secret);
    if (memcmp(commitment, item, ITEM_COMMITMENT_BYTES) != 0)
        return ERR_MALFORMED;
    if (card_verify(&proof, &letter.card, place->network) != OK)
        return ERR_AUTH;
    *out = letter;
    return OK;
}
