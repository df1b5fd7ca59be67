// Address records: signed by the relay they name, one form, as many to a message as there can be relays.
#include "wire/address_record.h"

#include <stdio.h>

#include "wire/cell.h"
#include "wire/codec.h"
#include "wire/directory.h"
#include "wire/message.h"

static void record_draw(struct address_record *record, const struct network_id *network, struct rng *rng) {
    struct sign_secret secret;
    struct sign_public public;
    sign_key_new(&secret, &public, rng);
    *record = (struct address_record){.signed_ms = rng_u64(rng), .address.port = (uint16_t)(1 + rng_below(rng, 65535))};
    snprintf(record->address.host, sizeof record->address.host, "r%08x.example", rng_u32(rng));
    memcpy(record->id.bytes, public.bytes, sizeof record->id.bytes);
    address_record_sign(record, network, &secret);
}

static int order(const void *a, const void *b) {
    return relay_id_compare(&((const struct address_record *)a)->id, &((const struct address_record *)b)->id);
}

static void records_come_back_as_they_were(void **state) {
    (void)state;
    const struct network_id network = {{3}};
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct rng rng = rng_of_seed(seed);
        struct address_record records[5];
        size_t count = (size_t)rng_below(&rng, 6);
        for (size_t i = 0; i < count; i++)
            record_draw(&records[i], &network, &rng);
        qsort(records, count, sizeof *records, order);
        struct buf message = {0};
        struct address_record *back;
        size_t back_count;
        addresses_message_encode(&message, records, count);
        assert_int_equal(addresses_message_decode(&back, &back_count, buf_span(&message)), OK);
        assert_int_equal(back_count, count);
        for (size_t i = 0; i < count; i++) {
            assert_true(relay_id_equal(&back[i].id, &records[i].id));
            assert_true(address_equal(&back[i].address, &records[i].address));
            assert_int_equal(back[i].signed_ms, records[i].signed_ms);
            assert_int_equal(address_record_verify(&back[i], &network), OK);
        }
        free(back);
        buf_free(&message);
    }
}

static bool takes(void *ctx, struct span bytes) {
    struct address_record *records = NULL;
    size_t count;
    (void)ctx;
    bool taken = addresses_message_decode(&records, &count, bytes) == OK;
    free(records);
    return taken;
}

static void only_a_whole_message_is_taken(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(1);
    struct address_record records[2];
    struct buf message = {0};
    for (size_t i = 0; i < 2; i++)
        record_draw(&records[i], &(struct network_id){{3}}, &rng);
    qsort(records, 2, sizeof *records, order);
    addresses_message_encode(&message, records, 2);
    takes_exactly(&(struct parser){takes, NULL}, buf_span(&message));
    buf_free(&message);
}

static void no_changed_bit_is_signed(void **state) {
    (void)state;
    const struct network_id network = {{3}};
    struct rng rng = rng_of_seed(2);
    struct address_record record;
    uint8_t bytes[ADDRESS_RECORD_BYTES_MAX];
    struct writer w = writer_of(bytes, sizeof bytes);
    record_draw(&record, &network, &rng);
    address_record_write(&w, &record);
    for (size_t bit = 0; bit < 8 * w.n; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        struct reader r = reader_of(writer_span(&w));
        address_record_read(&r, &record);
        assert_true(!reader_done(&r) || address_record_verify(&record, &network) == ERR_AUTH);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void a_record_of_another_network_is_not_signed_for_this_one(void **state) {
    (void)state;
    struct rng rng = rng_of_seed(3);
    struct address_record record;
    record_draw(&record, &(struct network_id){{3}}, &rng);
    assert_int_equal(address_record_verify(&record, &(struct network_id){{3}}), OK);
    assert_int_equal(address_record_verify(&record, &(struct network_id){{4}}), ERR_AUTH);
}

static void records_of_all_relays_with_the_longest_hosts_are_one_message(void **state) {
    (void)state;
    struct address_record *records = NEW_ARRAY(struct address_record, DIRECTORY_RELAYS_MAX);
    struct address_record *back;
    struct buf message = {0};
    size_t count;
    for (size_t i = 0; i < DIRECTORY_RELAYS_MAX; i++) {
        records[i].id = (struct relay_id){{(uint8_t)(i >> 8), (uint8_t)i}};
        memset(records[i].address.host, 'a', HOST_BYTES_MAX);
        records[i].address.port = 1;
    }
    addresses_message_encode(&message, records, DIRECTORY_RELAYS_MAX);
    assert_true(message.n <= MESSAGE_BYTES_MAX_RELAY);
    assert_int_equal(addresses_message_decode(&back, &count, buf_span(&message)), OK);
    assert_int_equal(count, DIRECTORY_RELAYS_MAX);
    free(back);
    free(records);
    buf_free(&message);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_back_as_they_were),
        cmocka_unit_test(only_a_whole_message_is_taken),
        cmocka_unit_test(no_changed_bit_is_signed),
        cmocka_unit_test(a_record_of_another_network_is_not_signed_for_this_one),
        cmocka_unit_test(records_of_all_relays_with_the_longest_hosts_are_one_message),
    };
    return cmocka_run_group_tests_name("wire/address_record", tests, codec_setup, NULL);
}
