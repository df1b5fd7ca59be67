// Ledger links: hello, what strangers may do, lanes and windows, silence, and that nothing of it touches the links that
// carry cells.
#include "rig.h"

#define VOTE 49
#define BLOCK 18

// What the ledger's part has been told.
struct ledger {
    struct rig *rig;
    size_t opened;
    struct ledger_peer peer; // the last
    size_t frames;
    uint8_t kind; // of the last frame
    size_t bytes; // of its body
    size_t closed;
    uint64_t closed_link;
    size_t failed;
    uint64_t failed_dial;
    bool hangs_up; // on the first frame
};

static void on_opened(void *ctx, struct step *step, const struct ledger_peer *peer) {
    struct ledger *ledger = ctx;
    (void)step;
    ledger->opened++;
    ledger->peer = *peer;
}

static void on_frame(void *ctx, struct step *step, uint64_t link, uint8_t kind, struct span body) {
    struct ledger *ledger = ctx;
    ledger->frames++;
    ledger->kind = kind;
    ledger->bytes = body.n;
    if (ledger->hangs_up) {
        ledger_link_close(ledger->rig->node, step, link, CLOSE_PROTOCOL);
    }
}

static void on_closed(void *ctx, struct step *step, uint64_t link) {
    struct ledger *ledger = ctx;
    (void)step;
    ledger->closed++;
    ledger->closed_link = link;
}

static void on_dial_failed(void *ctx, struct step *step, uint64_t dial) {
    struct ledger *ledger = ctx;
    (void)step;
    ledger->failed++;
    ledger->failed_dial = dial;
}

static uint64_t height_of(void *ctx) {
    (void)ctx;
    return 42;
}

// ---- a node with a ledger's part ----

struct fixture {
    struct rig rig;
    struct ledger ledger;
};

static int set_up(void **state) {
    struct fixture *f = NEW(struct fixture);
    rig_init(&f->rig, ROLE_BOOTSTRAP);
    rig_start(&f->rig);
    f->ledger.rig = &f->rig;
    ledger_links_handle(f->rig.node, &(struct ledger_handlers){.ctx = &f->ledger,
                                                               .opened = on_opened,
                                                               .frame = on_frame,
                                                               .closed = on_closed,
                                                               .dial_failed = on_dial_failed,
                                                               .height = height_of,
                                                               .role = LEDGER_VALIDATOR});
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    rig_free(&f->rig);
    free(f);
    return 0;
}

static struct step step_of(struct rig *rig) {
    rig->node->effects = &rig->effects;
    return (struct step){.env = &rig->env,
                         .now = rig->now,
                         .batch = &rig->effects.batch,
                         .log = &rig->effects.log,
                         .jobs = &rig->effects.jobs};
}

static void done(struct rig *rig) {
    struct effects kept = rig->effects;
    rig->effects = (struct effects){0};
    rig_take(rig, &kept);
    effects_free(&kept);
}

static bool send_frame(struct rig *rig, uint64_t link, uint8_t kind, size_t n, enum frame_lane lane) {
    uint8_t *body = mem_new(n, 1);
    struct step step = step_of(rig);
    bool sent = ledger_link_send(rig->node, &step, link, kind, span_of(body, n), lane);
    done(rig);
    free(body);
    return sent;
}

static uint64_t dial_validator(struct rig *rig, size_t i) {
    static const struct address address = {.host = "validator.example", .port = 1};
    struct step step = step_of(rig);
    uint64_t dial = ledger_dial(rig->node, &step, &address, &rig->relays[i].id);
    done(rig);
    return dial;
}

static struct rig_dial *ledger_dial_to(struct rig *rig, size_t i) {
    return rig_ledger_dial(rig, &rig->relays[i].id);
}

// A link that we dialled, and greeted.
static uint64_t trusted_link(struct rig *rig) {
    dial_validator(rig, 1);
    uint64_t link = rig_accept(rig, ledger_dial_to(rig, 1));
    rig_ledger_hello(rig, link, 7);
    return link;
}

static uint64_t stranger(struct rig *rig, uint64_t tag) {
    uint64_t link = rig_inbound_ledger(rig, NULL, tag);
    rig_ledger_hello(rig, link, 7);
    return link;
}

static void send_to_node(struct rig *rig, uint64_t link, uint8_t kind, size_t n) {
    uint8_t *body = mem_new(n, 1);
    rig_frame(rig, link, FRAME_BULK, kind, span_of(body, n));
    free(body);
}

static void assert_closed(struct rig *rig, uint64_t link, enum close_reason reason) {
    assert_true(rig_link(rig, link)->closed_by_node);
    assert_int_equal(rig_link(rig, link)->reason, reason);
}

// ---- hello ----

static void both_sides_say_hello_first(void **state) {
    struct fixture *f = *state;
    uint64_t link = rig_inbound_ledger(&f->rig, &f->rig.relays[1].id, 1);
    struct rig_link *seen = rig_link(&f->rig, link);
    assert_int_equal(seen->frame_count, 1);
    assert_int_equal(seen->immediate, 1);
    struct ledger_hello hello;
    assert_int_equal(seen->frames[0].kind, FRAME_HELLO);
    assert_int_equal(ledger_hello_decode(&hello, buf_span(&seen->frames[0].body)), OK);
    assert_int_equal(hello.version, LEDGER_LINK_VERSION);
    assert_int_equal(hello.role, LEDGER_VALIDATOR);
    assert_int_equal(hello.height, 42);
    assert_memory_equal(hello.network.bytes, f->rig.genesis->network.bytes, 32);
    assert_int_equal(f->ledger.opened, 0);
    rig_ledger_hello(&f->rig, link, 7);
    assert_int_equal(f->ledger.opened, 1);
    assert_int_equal(f->ledger.peer.link, link);
    assert_int_equal(f->ledger.peer.dial, 0);
    assert_int_equal(f->ledger.peer.role, LEDGER_VALIDATOR);
    assert_int_equal(f->ledger.peer.height, 7);
    assert_true(f->ledger.peer.has_key && relay_id_equal(&f->ledger.peer.key, &f->rig.relays[1].id));
}

static void anything_else_before_hello_or_a_second_one_closes(void **state) {
    struct fixture *f = *state;
    uint64_t link = rig_inbound_ledger(&f->rig, NULL, 1);
    send_to_node(&f->rig, link, VOTE, 10);
    assert_closed(&f->rig, link, CLOSE_PROTOCOL);
    link = stranger(&f->rig, 1);
    rig_ledger_hello(&f->rig, link, 8);
    assert_closed(&f->rig, link, CLOSE_PROTOCOL);
    assert_int_equal(f->ledger.frames, 0);
    assert_int_equal(f->ledger.opened, 1);
    assert_int_equal(f->ledger.closed, 1);
}

static void a_hello_of_another_network_or_version_closes(void **state) {
    struct fixture *f = *state;
    struct ledger_hello hello = {.version = LEDGER_LINK_VERSION, .network = {{1}}, .role = LEDGER_LIGHT};
    uint8_t bytes[LEDGER_HELLO_BYTES];
    for (int i = 0; i < 2; i++) {
        uint64_t link = rig_inbound_ledger(&f->rig, NULL, 1);
        rig_frame(&f->rig, link, FRAME_URGENT, FRAME_HELLO, span_of(bytes, ledger_hello_encode(bytes, &hello)));
        assert_closed(&f->rig, link, CLOSE_NETWORK);
        hello.network = f->rig.genesis->network;
        hello.version++;
    }
    assert_int_equal(f->ledger.opened + f->ledger.closed, 0);
}

static void before_hello_a_peer_can_make_the_node_keep_nothing(void **state) {
    struct fixture *f = *state;
    uint64_t link = rig_inbound_ledger(&f->rig, NULL, 1);
    struct buf part = {0};
    uint8_t body[LEDGER_HELLO_BYTES + 1] = {0};
    frame_part_encode(&part, FRAME_URGENT, FRAME_HELLO, SPAN_OF(body), 0);
    rig_bytes(&f->rig, link, span_of(part.p, FRAME_HEAD_BYTES));
    assert_closed(&f->rig, link, CLOSE_PROTOCOL);
    buf_free(&part);
}

static void no_hello_in_time_closes(void **state) {
    struct fixture *f = *state;
    uint64_t link = rig_inbound_ledger(&f->rig, NULL, 1);
    rig_run(&f->rig, f->rig.config.limits.hello_timeout_ms + 1000);
    assert_closed(&f->rig, link, CLOSE_TIMEOUT);
    assert_int_equal(f->ledger.closed, 0); // it never heard of the link
}

static void a_node_without_a_ledger_takes_no_ledger_links(void **state) {
    struct rig *rig = *state;
    rig_init(rig, ROLE_USER);
    rig_start(rig);
    uint64_t link = rig_inbound_ledger(rig, NULL, 1);
    assert_closed(rig, link, CLOSE_FLOOD);
    assert_int_equal(rig_link(rig, link)->frame_count, 0);
}

// ---- dials ----

static void a_dial_names_its_kind_and_comes_back_with_its_number(void **state) {
    struct fixture *f = *state;
    uint64_t number = dial_validator(&f->rig, 1);
    struct rig_dial *dial = ledger_dial_to(&f->rig, 1);
    assert_int_equal(dial->dial, number);
    assert_true(dial->show_certificate);
    uint64_t link = rig_accept(&f->rig, dial);
    rig_ledger_hello(&f->rig, link, 9);
    assert_int_equal(f->ledger.peer.dial, number);
    assert_int_equal(f->ledger.peer.height, 9);
    assert_int_equal(f->ledger.failed, 0);
}

static void a_dial_without_result_is_told_once(void **state) {
    struct fixture *f = *state;
    uint64_t refused = dial_validator(&f->rig, 1);
    rig_refuse(&f->rig, ledger_dial_to(&f->rig, 1));
    assert_int_equal(f->ledger.failed, 1);
    assert_int_equal(f->ledger.failed_dial, refused);
    uint64_t silent = dial_validator(&f->rig, 2);
    uint64_t link = rig_accept(&f->rig, ledger_dial_to(&f->rig, 2));
    rig_lost(&f->rig, link);
    assert_int_equal(f->ledger.failed, 2);
    assert_int_equal(f->ledger.failed_dial, silent);
    assert_int_equal(f->ledger.opened + f->ledger.closed, 0);
}

static void dials_under_way_are_bounded(void **state) {
    struct fixture *f = *state;
    for (size_t i = 0; i < LEDGER_DIALS_MAX; i++) {
        assert_int_not_equal(dial_validator(&f->rig, i % RIG_RELAYS), 0);
    }
    assert_int_equal(dial_validator(&f->rig, 1), 0);
    rig_refuse(&f->rig, ledger_dial_to(&f->rig, 1));
    assert_int_not_equal(dial_validator(&f->rig, 1), 0);
}

// ---- frames in ----

static void frames_reach_the_ledger_whole(void **state) {
    struct fixture *f = *state;
    uint64_t link = trusted_link(&f->rig);
    send_to_node(&f->rig, link, BLOCK, FRAME_BODY_BYTES_MAX);
    assert_int_equal(f->ledger.frames, 1);
    assert_int_equal(f->ledger.kind, BLOCK);
    assert_int_equal(f->ledger.bytes, FRAME_BODY_BYTES_MAX);
    send_to_node(&f->rig, link, VOTE, 141);
    assert_int_equal(f->ledger.frames, 2);
    assert_int_equal(f->ledger.bytes, 141);
}

static void kinds_of_nobody_close(void **state) {
    struct fixture *f = *state;
    for (uint8_t kind = 0; kind < FRAME_KIND_LEDGER; kind++) {
        if (kind >= FRAME_HELLO && kind <= FRAME_PONG) {
            continue;
        }
        uint64_t link = stranger(&f->rig, kind);
        send_to_node(&f->rig, link, kind, 3);
        assert_closed(&f->rig, link, CLOSE_PROTOCOL);
    }
    assert_int_equal(f->ledger.frames, 0);
}

static void a_stranger_may_send_short_frames_until_the_ledger_vouches_for_it(void **state) {
    struct fixture *f = *state;
    uint64_t link = stranger(&f->rig, 1);
    send_to_node(&f->rig, link, BLOCK, LEDGER_STRANGER_BODY_BYTES_MAX);
    assert_int_equal(f->ledger.frames, 1);
    send_to_node(&f->rig, link, BLOCK, LEDGER_STRANGER_BODY_BYTES_MAX + 1);
    assert_closed(&f->rig, link, CLOSE_PROTOCOL);
    link = stranger(&f->rig, 2);
    ledger_link_trust(f->rig.node, link, true);
    send_to_node(&f->rig, link, BLOCK, FRAME_BODY_BYTES_MAX);
    assert_int_equal(f->ledger.frames, 2);
}

static void a_validator_that_is_none_any_more_is_a_stranger_again(void **state) {
    struct fixture *f = *state;
    uint64_t dialled = trusted_link(&f->rig), link = stranger(&f->rig, 2);
    ledger_link_trust(f->rig.node, link, true);
    ledger_link_trust(f->rig.node, link, false);
    ledger_link_trust(f->rig.node, dialled, false); // we wanted that one
    send_to_node(&f->rig, dialled, BLOCK, FRAME_BODY_BYTES_MAX);
    send_to_node(&f->rig, link, BLOCK, LEDGER_STRANGER_BODY_BYTES_MAX);
    assert_int_equal(f->ledger.frames, 2);
    send_to_node(&f->rig, link, BLOCK, LEDGER_STRANGER_BODY_BYTES_MAX + 1);
    assert_closed(&f->rig, link, CLOSE_PROTOCOL);
}

static void a_strangers_frames_beyond_its_rate_are_dropped_and_then_it_is_cut(void **state) {
    struct fixture *f = *state;
    uint32_t rate = f->rig.config.limits.packets_per_s_per_link;
    uint64_t link = stranger(&f->rig, 1);
    for (uint32_t i = 0; i < 3 * rate; i++) {
        send_to_node(&f->rig, link, VOTE, 10);
    }
    assert_int_equal(f->ledger.frames, 2 * rate - 1); // a full bucket, of which hello took one
    assert_int_equal(rig_metric(&f->rig, METRIC_PACKETS_LIMITED), rate + 1);
    for (uint32_t i = 0; i < 2 * rate; i++) {
        send_to_node(&f->rig, link, VOTE, 10);
    }
    assert_closed(&f->rig, link, CLOSE_FLOOD);
    assert_int_equal(f->ledger.closed, 1);
    link = trusted_link(&f->rig);
    for (uint32_t i = 0; i < 6 * rate; i++) {
        send_to_node(&f->rig, link, VOTE, 10);
    }
    assert_int_equal(f->ledger.frames, 8 * rate - 1);
}

static void a_link_may_be_closed_by_the_handler_of_its_frame(void **state) {
    struct fixture *f = *state;
    uint64_t link = stranger(&f->rig, 1);
    f->ledger.hangs_up = true;
    struct buf two = {0};
    frame_part_encode(&two, FRAME_URGENT, VOTE, SPAN_LITERAL("one"), 0);
    frame_part_encode(&two, FRAME_URGENT, VOTE, SPAN_LITERAL("two"), 0);
    rig_bytes(&f->rig, link, buf_span(&two));
    assert_int_equal(f->ledger.frames, 1);
    assert_int_equal(f->ledger.closed, 0); // who closes is not told
    assert_closed(&f->rig, link, CLOSE_PROTOCOL);
    buf_free(&two);
}

// ---- frames out ----

static void frames_leave_whole_and_wait_for_the_sync(void **state) {
    struct fixture *f = *state;
    uint64_t link = trusted_link(&f->rig);
    size_t immediate = rig_link(&f->rig, link)->immediate;
    assert_true(send_frame(&f->rig, link, BLOCK, FRAME_BODY_BYTES_MAX, FRAME_BULK));
    assert_true(send_frame(&f->rig, link, VOTE, 141, FRAME_URGENT));
    assert_int_equal(rig_frame_count(&f->rig, link, BLOCK), 1);
    assert_int_equal(rig_frame_count(&f->rig, link, VOTE), 1);
    assert_int_equal(rig_link(&f->rig, link)->immediate, immediate);
    assert_int_equal(f->rig.node->ledger_links.queued_bytes, 0);
}

static void a_vote_overtakes_a_block_that_is_on_its_way(void **state) {
    struct fixture *f = *state;
    uint64_t link = trusted_link(&f->rig);
    f->rig.no_drain = true;
    rig_drained(&f->rig, link);
    assert_true(send_frame(&f->rig, link, BLOCK, 1024 * 1024, FRAME_BULK));
    assert_int_equal(rig_link(&f->rig, link)->bytes_since_drain, LINK_WINDOW_BYTES);
    assert_true(send_frame(&f->rig, link, VOTE, 141, FRAME_URGENT));
    assert_int_equal(rig_frame_count(&f->rig, link, VOTE), 0);
    rig_drained(&f->rig, link);
    assert_int_equal(rig_frame_count(&f->rig, link, VOTE), 1);
    assert_int_equal(rig_frame_count(&f->rig, link, BLOCK), 0);
    for (int i = 0; i < 20; i++) {
        rig_drained(&f->rig, link);
    }
    assert_int_equal(rig_frame_count(&f->rig, link, BLOCK), 1);
}

static void a_full_queue_drops_and_says_so(void **state) {
    struct fixture *f = *state;
    uint64_t links[] = {trusted_link(&f->rig), stranger(&f->rig, 1)};
    static const size_t bounds[] = {LEDGER_QUEUE_BYTES_MAX, LEDGER_QUEUE_BYTES_MAX_STRANGER};
    f->rig.no_drain = true;
    size_t queued = 0;
    for (size_t i = 0; i < 2; i++) {
        rig_drained(&f->rig, links[i]);
        while (send_frame(&f->rig, links[i], BLOCK, 1024 * 1024, FRAME_BULK)) {
        }
        size_t now_queued = f->rig.node->ledger_links.queued_bytes - queued;
        assert_in_range(now_queued, bounds[i] - 2 * 1024 * 1024, bounds[i]);
        queued += now_queued;
        assert_int_equal(rig_metric(&f->rig, METRIC_LINK_QUEUE_FULL), 2 * (int64_t)i + 1);
        assert_true(send_frame(&f->rig, links[i], VOTE, 141, FRAME_URGENT)); // its lane has room
        queued += 141;
        assert_false(send_frame(&f->rig, links[i], BLOCK, 1024 * 1024, FRAME_BULK));
    }
    assert_true(f->rig.node->ledger_links.queued_bytes_strangers > 0);
    size_t strangers = f->rig.node->ledger_links.queued_bytes_strangers;
    ledger_link_trust(f->rig.node, links[1], true);
    assert_int_equal(f->rig.node->ledger_links.queued_bytes_strangers, 0);
    ledger_link_trust(f->rig.node, links[1], false);
    assert_int_equal(f->rig.node->ledger_links.queued_bytes_strangers, strangers);
    rig_lost(&f->rig, links[0]);
    rig_lost(&f->rig, links[1]);
    assert_int_equal(f->rig.node->ledger_links.queued_bytes, 0);
    assert_int_equal(f->rig.node->ledger_links.queued_bytes_strangers, 0);
}

static void the_number_of_frames_that_wait_is_bounded(void **state) {
    struct fixture *f = *state;
    uint64_t link = trusted_link(&f->rig);
    f->rig.no_drain = true;
    rig_drained(&f->rig, link);
    send_frame(&f->rig, link, BLOCK, 1024 * 1024, FRAME_URGENT); // fills the window
    for (size_t i = 1; i < LEDGER_QUEUE_FRAMES_MAX; i++) {
        assert_true(send_frame(&f->rig, link, VOTE, 1, FRAME_URGENT));
    }
    assert_false(send_frame(&f->rig, link, VOTE, 1, FRAME_URGENT));
    send_to_node(&f->rig, link, FRAME_PING, 8); // answered or not, nothing grows
    assert_int_equal(rig_metric(&f->rig, METRIC_LINK_QUEUE_FULL), 2);
}

static void nothing_is_sent_to_a_link_that_is_gone_or_has_not_said_hello(void **state) {
    struct fixture *f = *state;
    uint64_t link = rig_inbound_ledger(&f->rig, NULL, 1);
    assert_false(send_frame(&f->rig, link, VOTE, 1, FRAME_URGENT));
    rig_lost(&f->rig, link);
    assert_false(send_frame(&f->rig, link, VOTE, 1, FRAME_URGENT));
}

// ---- bounds on links ----

static void one_address_may_have_so_many_links(void **state) {
    struct fixture *f = *state;
    uint32_t max = f->rig.config.limits.client_links_per_address;
    for (uint32_t i = 0; i < max; i++) {
        // Links of both kinds count together.
        uint64_t link = i % 2 == 0 ? stranger(&f->rig, 5) : rig_inbound_greeted(&f->rig, NULL, 5);
        assert_true(rig_link(&f->rig, link)->open);
    }
    assert_closed(&f->rig, rig_inbound_ledger(&f->rig, NULL, 5), CLOSE_FLOOD);
    assert_closed(&f->rig, rig_inbound(&f->rig, NULL, 5), CLOSE_FLOOD);
    assert_true(rig_link(&f->rig, stranger(&f->rig, 6))->open);
    rig_lost(&f->rig, 1);
    assert_true(rig_link(&f->rig, stranger(&f->rig, 5))->open);
}

static void strangers_get_so_many_links_and_no_more(void **state) {
    struct fixture *f = *state;
    for (uint64_t i = 0; i < LEDGER_STRANGERS_MAX; i++) {
        assert_true(rig_link(&f->rig, stranger(&f->rig, 100 + i))->open);
    }
    assert_closed(&f->rig, rig_inbound_ledger(&f->rig, NULL, 1), CLOSE_FLOOD);
    assert_true(rig_link(&f->rig, trusted_link(&f->rig))->open);
}

// ---- silence and the end ----

static void a_silent_link_is_asked_and_then_cut(void **state) {
    struct fixture *f = *state;
    uint64_t link = trusted_link(&f->rig);
    rig_run(&f->rig, f->rig.config.limits.idle_timeout_ms / 2 + 1000);
    assert_int_equal(rig_frame_count(&f->rig, link, FRAME_PING), 1);
    rig_frame(&f->rig, link, FRAME_URGENT, FRAME_PONG, SPAN_LITERAL("12345678"));
    rig_run(&f->rig, f->rig.config.limits.idle_timeout_ms - 1000);
    assert_true(rig_link(&f->rig, link)->open);
    rig_run(&f->rig, 2000);
    assert_closed(&f->rig, link, CLOSE_TIMEOUT);
    assert_int_equal(f->ledger.closed_link, link);
}

static void a_ping_is_answered_with_its_token(void **state) {
    struct fixture *f = *state;
    uint64_t link = stranger(&f->rig, 1);
    rig_frame(&f->rig, link, FRAME_URGENT, FRAME_PING, SPAN_LITERAL("a token."));
    struct rig_link *seen = rig_link(&f->rig, link);
    const struct frame *pong = &seen->frames[seen->frame_count - 1];
    assert_int_equal(pong->kind, FRAME_PONG);
    assert_true(span_equal(buf_span(&pong->body), SPAN_LITERAL("a token.")));
    rig_frame(&f->rig, link, FRAME_URGENT, FRAME_PING, SPAN_LITERAL("short"));
    assert_closed(&f->rig, link, CLOSE_PROTOCOL);
}

static void a_lost_link_is_told_once(void **state) {
    struct fixture *f = *state;
    uint64_t link = trusted_link(&f->rig);
    rig_lost(&f->rig, link);
    assert_int_equal(f->ledger.closed, 1);
    assert_int_equal(f->ledger.closed_link, link);
    assert_int_equal(f->ledger.failed, 0);
}

static void a_stop_closes_all_without_a_word_to_the_ledger(void **state) {
    struct fixture *f = *state;
    uint64_t link = trusted_link(&f->rig);
    dial_validator(&f->rig, 2);
    rig_event(&f->rig, &(struct event){.kind = EVENT_STOP});
    assert_closed(&f->rig, link, CLOSE_STOPPING);
    uint64_t late = rig_accept(&f->rig, ledger_dial_to(&f->rig, 2));
    assert_true(rig_link(&f->rig, late)->closed_by_node);
    assert_int_equal(f->ledger.closed + f->ledger.failed, 0);
    assert_int_equal(dial_validator(&f->rig, 3), 0);
}

// A ledger whose memory is damaged.
static void a_part_that_cannot_go_on_stops_the_node_with_its_reason(void **state) {
    struct fixture *f = *state;
    uint64_t link = trusted_link(&f->rig);
    step_of(&f->rig);
    node_give_up(f->rig.node, "the log is damaged at byte 7");
    done(&f->rig);
    assert_true(f->rig.stopped);
    assert_string_equal(f->rig.stopped_why, "the log is damaged at byte 7");
    size_t dials = f->rig.dial_count;
    rig_lost(&f->rig, link);
    rig_run(&f->rig, 60000);
    assert_int_equal(f->rig.dial_count, dials);
    assert_int_equal(f->ledger.closed + f->ledger.failed, 0);
}

// ---- links that carry cells know nothing of it ----

static void a_relays_ledger_link_is_not_taken_for_its_link(void **state) {
    struct rig *rig = *state;
    rig_init(rig, ROLE_BOOTSTRAP);
    rig_start_listed(rig, 3);
    struct ledger ledger = {.rig = rig};
    ledger_links_handle(rig->node, &(struct ledger_handlers){.ctx = &ledger,
                                                             .opened = on_opened,
                                                             .frame = on_frame,
                                                             .closed = on_closed,
                                                             .dial_failed = on_dial_failed,
                                                             .height = height_of,
                                                             .role = LEDGER_VALIDATOR});
    struct now now = rig->now;
    struct node_status before, after;
    node_status_of(rig->node, &now, &before);
    uint64_t link = rig_inbound_ledger(rig, &rig->relays[2].id, 1);
    rig_ledger_hello(rig, link, 7);
    assert_int_equal(ledger.opened, 1);
    node_status_of(rig->node, &now, &after);
    assert_int_equal(before.relay_links, after.relay_links);
    rig_lost(rig, link);
    assert_int_equal(ledger.closed, 1);
    assert_int_equal(rig->node->ledger_links.count, 0);
}

int main(void) {
#define LEDGER_CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        LEDGER_CASE(both_sides_say_hello_first),
        LEDGER_CASE(anything_else_before_hello_or_a_second_one_closes),
        LEDGER_CASE(a_hello_of_another_network_or_version_closes),
        LEDGER_CASE(before_hello_a_peer_can_make_the_node_keep_nothing),
        LEDGER_CASE(no_hello_in_time_closes),
        RIG_CASE(a_node_without_a_ledger_takes_no_ledger_links),
        LEDGER_CASE(a_dial_names_its_kind_and_comes_back_with_its_number),
        LEDGER_CASE(a_dial_without_result_is_told_once),
        LEDGER_CASE(dials_under_way_are_bounded),
        LEDGER_CASE(frames_reach_the_ledger_whole),
        LEDGER_CASE(kinds_of_nobody_close),
        LEDGER_CASE(a_stranger_may_send_short_frames_until_the_ledger_vouches_for_it),
        LEDGER_CASE(a_validator_that_is_none_any_more_is_a_stranger_again),
        LEDGER_CASE(a_strangers_frames_beyond_its_rate_are_dropped_and_then_it_is_cut),
        LEDGER_CASE(a_link_may_be_closed_by_the_handler_of_its_frame),
        LEDGER_CASE(frames_leave_whole_and_wait_for_the_sync),
        LEDGER_CASE(a_vote_overtakes_a_block_that_is_on_its_way),
        LEDGER_CASE(a_full_queue_drops_and_says_so),
        LEDGER_CASE(the_number_of_frames_that_wait_is_bounded),
        LEDGER_CASE(nothing_is_sent_to_a_link_that_is_gone_or_has_not_said_hello),
        LEDGER_CASE(one_address_may_have_so_many_links),
        LEDGER_CASE(strangers_get_so_many_links_and_no_more),
        LEDGER_CASE(a_silent_link_is_asked_and_then_cut),
        LEDGER_CASE(a_ping_is_answered_with_its_token),
        LEDGER_CASE(a_lost_link_is_told_once),
        LEDGER_CASE(a_stop_closes_all_without_a_word_to_the_ledger),
        LEDGER_CASE(a_part_that_cannot_go_on_stops_the_node_with_its_reason),
        RIG_CASE(a_relays_ledger_link_is_not_taken_for_its_link),
    };
    return cmocka_run_group_tests_name("node/ledger_links", tests, rig_setup, NULL);
}
