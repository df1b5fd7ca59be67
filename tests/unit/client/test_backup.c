// Backups: what is in them, who can open them, and that a restored client goes on.
#include "client/world.h"

#include "client/backup.h"

static struct buf backup_of(struct user *user, const char *passphrase) {
    struct client_request request = {.op = CLIENT_BACKUP, .text = span_of_text(passphrase)};
    const struct client_answer *answer = ask(user, &request);
    struct buf copy = {0};
    assert_int_equal(answer->err, OK);
    buf_append(&copy, buf_span(&answer->bytes));
    return copy;
}

static void restore(struct user *user, struct buf *backup, const char *passphrase) {
    uint8_t seed[32];
    struct network_id network;
    struct kv_batch records = {0};
    user_crash(user);
    kv_close(user->kv);
    user->kv = user->env.kv = kv_memory_new();
    assert_int_equal(client_restore(seed, &network, &records, buf_span(backup), span_of_text(passphrase)), OK);
    assert_memory_equal(seed, user->config.identity_seed, 32);
    assert_memory_equal(network.bytes, user->world->genesis.network.bytes, 32);
    assert_int_equal(kv_write(user->kv, &records), OK);
    kv_batch_free(&records);
    user_start(user);
}

static void a_restored_client_is_the_same_person_and_talks_on(void **state) {
    (void)state;
    struct world *world = world_make(1, 10, 2);
    struct user *alice = &world->users[0], *bob = &world->users[1];
    world_start(world);
    befriend(alice, "bob", bob, "alice");
    char link[LINK_TEXT_MAX + 1];
    strcpy(link, link_of(alice));
    struct buf backup = backup_of(alice, "correct horse");
    // Life goes on after the backup; then the machine is lost.
    struct message_id id = send_ok(alice, "bob", "after");
    run_for(world, SECOND_MS);
    assert_int_equal(state_of(alice, &id), MESSAGE_ACKNOWLEDGED);
    restore(alice, &backup, "correct horse");
    run_for(world, MINUTE_MS);
    assert_string_equal(link_of(alice), link);
    size_t shown = bob->note_count;
    id = send_ok(alice, "bob", "back");
    run_for(world, 10 * SECOND_MS);
    assert_int_equal(state_of(alice, &id), MESSAGE_ACKNOWLEDGED);
    assert_int_equal(bob->note_count, shown + 1);
    id = send_ok(bob, "alice", "welcome");
    run_for(world, 10 * SECOND_MS);
    assert_int_equal(state_of(bob, &id), MESSAGE_ACKNOWLEDGED);
    buf_free(&backup);
    world_free(world);
}

static size_t texts_shown(const struct user *user) {
    const struct message_record *in[1] = {NULL};
    return received(user, in, 1);
}

// The removal stands until the one who removed writes to the one who was.
static void who_was_removed_after_the_backup_gets_another_mailbox_when_written_to(void **state) {
    (void)state;
    struct world *world = world_make(6, 10, 2);
    struct user *alice = &world->users[0], *bob = &world->users[1];
    world_start(world);
    befriend(alice, "bob", bob, "alice");
    run_for(world, MINUTE_MS);
    struct buf backup = backup_of(alice, "right");
    assert_int_equal(ask_named(alice, CLIENT_CONTACT_REMOVE, "bob")->err, OK);
    run_for(world, 10 * SECOND_MS);
    restore(alice, &backup, "right");
    run_for(world, 10 * SECOND_MS);
    struct message_id early = send_ok(bob, "alice", "are you there?");
    run_for(world, 10 * MINUTE_MS);
    assert_non_null(strstr(message_of(bob, &early)->reason, "refuses"));
    size_t before = texts_shown(alice);
    struct message_id id = send_ok(alice, "bob", "I am");
    run_for(world, 10 * SECOND_MS);
    assert_int_equal(state_of(alice, &id), MESSAGE_ACKNOWLEDGED);
    assert_int_equal(state_of(bob, &early), MESSAGE_ACKNOWLEDGED);
    struct message_id late = send_ok(bob, "alice", "good");
    run_for(world, 10 * SECOND_MS);
    assert_int_equal(state_of(bob, &late), MESSAGE_ACKNOWLEDGED);
    const struct message_record *in[8] = {NULL};
    assert_int_equal(received(alice, in, 8), before + 2);
    assert_true(text_is(&in[before]->text, "are you there?"));
    assert_true(text_is(&in[before + 1]->text, "good"));
    buf_free(&backup);
    world_free(world);
}

static void a_text_sent_right_after_the_restore_does_not_name_the_retired_mailbox(void **state) {
    (void)state;
    struct world *world = world_make(7, 10, 2);
    struct user *alice = &world->users[0], *bob = &world->users[1];
    world_start(world);
    befriend(alice, "bob", bob, "alice");
    run_for(world, MINUTE_MS);
    struct buf backup = backup_of(alice, "right");
    assert_int_equal(ask_named(alice, CLIENT_CONTACT_REMOVE, "bob")->err, OK);
    run_for(world, 10 * SECOND_MS);
    restore(alice, &backup, "right");
    run_for(world, 5);
    struct message_id id = send_ok(alice, "bob", "back at once");
    run_for(world, 10 * SECOND_MS);
    assert_int_equal(state_of(alice, &id), MESSAGE_ACKNOWLEDGED);
    buf_free(&backup);
    world_free(world);
}

static void a_clock_set_back_does_not_keep_the_next_mailbox_from_being_learned(void **state) {
    (void)state;
    struct world *world = world_make(8, 10, 2);
    struct user *alice = &world->users[0], *bob = &world->users[1];
    world->now.wall_ms += DAY_MS;
    world_start(world);
    befriend(alice, "bob", bob, "alice");
    run_for(world, MINUTE_MS);
    struct buf backup = backup_of(alice, "right");
    assert_int_equal(ask_named(alice, CLIENT_CONTACT_REMOVE, "bob")->err, OK);
    run_for(world, 10 * SECOND_MS);
    world->now.wall_ms -= HOUR_MS;
    restore(alice, &backup, "right");
    run_for(world, 10 * SECOND_MS);
    struct message_id id = send_ok(alice, "bob", "back");
    run_for(world, 10 * SECOND_MS);
    assert_int_equal(state_of(alice, &id), MESSAGE_ACKNOWLEDGED);
    buf_free(&backup);
    world_free(world);
}

static void a_wrong_passphrase_and_a_damaged_backup_are_refused(void **state) {
    (void)state;
    struct world *world = world_make(2, 10, 1);
    struct user *alice = &world->users[0];
    world_start(world);
    struct buf backup = backup_of(alice, "right");
    uint8_t seed[32] = {0}, zeros[32] = {0};
    struct network_id network;
    struct kv_batch records = {0};
    assert_int_equal(client_restore(seed, &network, &records, buf_span(&backup), span_of_text("wrong")), ERR_AUTH);
    for (size_t at = 0; at < backup.n; at += 1 + backup.n / 16) {
        // The cost parameters are left alone: a test should not take a gigabyte.
        if (at >= 47 && at < 55)
            continue;
        backup.p[at] ^= 1;
        assert_int_not_equal(client_restore(seed, &network, &records, buf_span(&backup), span_of_text("right")), OK);
        backup.p[at] ^= 1;
    }
    assert_int_equal(client_restore(seed, &network, &records, span_of(backup.p, backup.n - 1), span_of_text("right")),
                     ERR_AUTH);
    assert_int_equal(client_restore(seed, &network, &records, span_of(backup.p, 20), span_of_text("right")),
                     ERR_MALFORMED);
    assert_memory_equal(seed, zeros, 32);
    assert_int_equal(kv_batch_count(&records), 0);
    kv_batch_free(&records);
    buf_free(&backup);
    world_free(world);
}

static void a_backup_shows_nothing_of_what_is_in_it(void **state) {
    (void)state;
    struct world *world = world_make(3, 10, 2);
    struct user *alice = &world->users[0];
    world_start(world);
    befriend(alice, "somebody-special", &world->users[1], "alice");
    struct buf backup = backup_of(alice, "right");
    const char *name = "somebody-special";
    for (size_t i = 0; i + strlen(name) <= backup.n; i++)
        assert_int_not_equal(memcmp(backup.p + i, name, strlen(name)), 0);
    buf_free(&backup);
    world_free(world);
}

static void a_backup_without_a_passphrase_is_refused(void **state) {
    (void)state;
    struct world *world = world_make(4, 10, 1);
    world_start(world);
    struct client_request request = {.op = CLIENT_BACKUP};
    assert_int_equal(ask(&world->users[0], &request)->err, ERR_INVALID);
    world_free(world);
}

static void a_database_of_another_network_or_identity_is_not_touched(void **state) {
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct world *world = world_make(5, 10, 1);
        struct user *alice = &world->users[0];
        world_start(world);
        user_crash(alice);
        if (i == 0)
            world->genesis.network.bytes[0] ^= 1;
        else
            alice->config.identity_seed[0] ^= 1;
        user_start(alice);
        run_for(world, SECOND_MS);
        struct client_request request = {.op = CLIENT_CONTACTS};
        const struct client_answer *answer = ask(alice, &request);
        assert_int_equal(answer->err, i == 0 ? ERR_NETWORK : ERR_AUTH);
        assert_non_null(strstr(answer->reason, i == 0 ? "another network" : "another identity"));
        assert_false(client_ready(alice->client));
        world_free(world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restored_client_is_the_same_person_and_talks_on),
        cmocka_unit_test(who_was_removed_after_the_backup_gets_another_mailbox_when_written_to),
        cmocka_unit_test(a_text_sent_right_after_the_restore_does_not_name_the_retired_mailbox),
        cmocka_unit_test(a_clock_set_back_does_not_keep_the_next_mailbox_from_being_learned),
        cmocka_unit_test(a_wrong_passphrase_and_a_damaged_backup_are_refused),
        cmocka_unit_test(a_backup_shows_nothing_of_what_is_in_it),
        cmocka_unit_test(a_backup_without_a_passphrase_is_refused),
        cmocka_unit_test(a_database_of_another_network_or_identity_is_not_touched),
    };
    return cmocka_run_group_tests_name("client_backup", tests, NULL, NULL);
}
