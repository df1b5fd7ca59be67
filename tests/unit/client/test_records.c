// The client's durable records: each comes back as it went in, and nothing else is taken for one.
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "client/record.h"

// Every shorter, longer or newer value must be refused by the decoder.
#define ASSERT_STRICT(decode, out, w)                                              \
    do {                                                                           \
        uint8_t longer[RECORD_BYTES_MAX + 1] = {0};                                \
        memcpy(longer, (w).p, (w).n);                                              \
        for (size_t strict_n = 0; strict_n < (w).n; strict_n++)                    \
            assert_int_equal(decode(out, span_of(longer, strict_n)), ERR_CORRUPT); \
        assert_int_equal(decode(out, span_of(longer, (w).n + 1)), ERR_CORRUPT);    \
        longer[0] ^= 0x80;                                                         \
        assert_int_equal(decode(out, span_of(longer, (w).n)), ERR_CORRUPT);        \
    } while (0)

static uint8_t value[RECORD_BYTES_MAX];

static void accounts_contacts_and_mailboxes_come_back(void **state) {
    (void)state;
    struct account_state account = {.next_number = 7, .next_cursor = 8, .restored = true, .last_stream = 9};
    struct account_state account_out;
    account.network.bytes[3] = 1;
    account.identity.bytes[4] = 2;
    struct writer w = writer_of(value, sizeof(value));
    account_encode(&w, &account);
    assert_int_equal(account_decode(&account_out, writer_span(&w)), OK);
    assert_int_equal(account_out.next_number, 7);
    assert_int_equal(account_out.next_cursor, 8);
    assert_true(account_out.restored);
    assert_int_equal(account_out.last_stream, 9);
    value[0] = 1; // as written before streams were counted
    assert_int_equal(account_decode(&account_out, span_of(value, w.n - 8)), OK);
    assert_int_equal(account_out.last_stream, 0);
    assert_int_equal(account_decode(&account_out, span_of(value, w.n)), ERR_CORRUPT);
    value[0] = 2;
    assert_memory_equal(account_out.network.bytes, account.network.bytes, 32);
    ASSERT_STRICT(account_decode, &account_out, w);

    struct contact_state contact = {
        .number = 1, .name = "bob", .established = true, .mailbox = 5, .next_out = 9, .active_ms = 10};
    struct contact_state contact_out;
    contact.peer_token.bytes[0] = 3;
    w = writer_of(value, sizeof(value));
    contact_encode(&w, &contact);
    assert_int_equal(contact_decode(&contact_out, writer_span(&w)), OK);
    assert_string_equal(contact_out.name, "bob");
    assert_true(contact_out.established && !contact_out.blocked);
    assert_int_equal(contact_out.next_out, 9);
    assert_int_equal(contact_out.active_ms, 10);
    assert_int_equal(contact_out.peer_token.bytes[0], 3);
    ASSERT_STRICT(contact_decode, &contact_out, w);

    struct mailbox_state mailbox = {
        .number = 2, .contact = 1, .nonce = {9}, .created_ms = 4, .retired = true, .stamp = 77};
    struct mailbox_state mailbox_out;
    w = writer_of(value, sizeof(value));
    mailbox_encode(&w, &mailbox);
    assert_int_equal(mailbox_decode(&mailbox_out, writer_span(&w)), OK);
    assert_int_equal(mailbox_out.nonce[0], 9);
    assert_true(mailbox_out.retired && !mailbox_out.ready);
    assert_int_equal(mailbox_out.stamp, 77);
    ASSERT_STRICT(mailbox_decode, &mailbox_out, w);
}

static void outbox_entries_come_back(void **state) {
    (void)state;
    struct outbox_state entry = {.number = 3, .kind = LETTER_ACK, .phase = OUTBOX_SEALED, .ack_count = ACK_IDS_MAX},
                        out;
    entry.acks[ACK_IDS_MAX - 1].bytes[15] = 7;
    struct writer w = writer_of(value, sizeof(value));
    outbox_encode(&w, &entry);
    assert_int_equal(outbox_decode(&out, writer_span(&w)), OK);
    assert_int_equal(out.kind, LETTER_ACK);
    assert_int_equal(out.phase, OUTBOX_SEALED);
    assert_int_equal(out.acks[ACK_IDS_MAX - 1].bytes[15], 7);
    ASSERT_STRICT(outbox_decode, &out, w);
}

static void messages_come_back_with_their_reason(void **state) {
    (void)state;
    struct message_record record = {.cursor = 5,
                                    .contact = "bob",
                                    .state = MESSAGE_FAILED,
                                    .stored_ms = -1,
                                    .acknowledged_ms = 17,
                                    .route_count = 3,
                                    .replica_count = 2,
                                    .reason = reason_text(REASON_REMOVED)};
    struct message_record out;
    buf_append(&record.text, SPAN_LITERAL("text"));
    record.replicas[1].bytes[0] = 4;
    struct writer w = writer_of(value, sizeof(value));
    message_encode(&w, &record);
    ASSERT_STRICT(message_decode, &out, w);
    assert_int_equal(message_decode(&out, writer_span(&w)), OK);
    assert_int_equal(out.state, MESSAGE_FAILED);
    assert_int_equal(out.stored_ms, -1);
    assert_int_equal(out.acknowledged_ms, 17);
    assert_int_equal(out.replicas[1].bytes[0], 4);
    assert_string_equal(out.reason, record.reason);
    assert_true(span_equal(buf_span(&out.text), SPAN_LITERAL("text")));
    buf_free(&out.text);
    buf_free(&record.text);
}

static void every_reason_has_its_text_and_its_code(void **state) {
    (void)state;
    for (int code = REASON_NONE + 1; code <= REASON_REMOVED; code++) {
        struct message_record record = {.reason = reason_text((enum reason)code)}, out;
        struct writer w = writer_of(value, sizeof(value));
        assert_non_null(record.reason);
        message_encode(&w, &record);
        assert_int_equal(message_decode(&out, writer_span(&w)), OK);
        assert_ptr_equal(out.reason, record.reason);
        buf_free(&out.text);
    }
}

static void held_messages_requests_entries_and_deletes_come_back(void **state) {
    (void)state;
    struct held_state held = {.contact = 1, .sequence = 2, .expiry_ms = 3, .text = SPAN_LITERAL("held")}, held_out;
    struct writer w = writer_of(value, sizeof(value));
    held_encode(&w, &held);
    assert_int_equal(held_decode(&held_out, writer_span(&w)), OK);
    assert_true(span_equal(held_out.text, held.text));
    ASSERT_STRICT(held_decode, &held_out, w);

    struct request_state request = {.number = 1, .stream = 2, .sequence = 3, .floor = 1, .text = SPAN_LITERAL("hi")};
    struct request_state request_out;
    w = writer_of(value, sizeof(value));
    request_encode(&w, &request);
    assert_int_equal(request_decode(&request_out, writer_span(&w)), OK);
    assert_int_equal(request_out.sequence, 3);
    assert_true(span_equal(request_out.text, request.text));
    ASSERT_STRICT(request_decode, &request_out, w);

    struct entry_state entry = {.slot = 1, .drawn_ms = 2, .reached_ms = 3}, entry_out;
    w = writer_of(value, sizeof(value));
    entry_encode(&w, &entry);
    assert_int_equal(entry_decode(&entry_out, writer_span(&w)), OK);
    assert_int_equal(entry_out.reached_ms, 3);
    ASSERT_STRICT(entry_decode, &entry_out, w);

    struct delete_state gone = {.mailbox = 1, .expiry_ms = 2}, gone_out;
    gone.secret[31] = 9;
    w = writer_of(value, sizeof(value));
    delete_encode(&w, &gone);
    assert_int_equal(delete_decode(&gone_out, writer_span(&w)), OK);
    assert_int_equal(gone_out.secret[31], 9);
    ASSERT_STRICT(delete_decode, &gone_out, w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accounts_contacts_and_mailboxes_come_back),
        cmocka_unit_test(outbox_entries_come_back),
        cmocka_unit_test(messages_come_back_with_their_reason),
        cmocka_unit_test(every_reason_has_its_text_and_its_code),
        cmocka_unit_test(held_messages_requests_entries_and_deletes_come_back),
    };
    return cmocka_run_group_tests_name("client_records", tests, NULL, NULL);
}
