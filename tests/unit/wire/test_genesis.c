// The genesis text: one text for one meaning, everything else refused with its line; epochs.
#include "wire/genesis.h"

#include <stdio.h>

#include "base/time.h"
#include "wire/codec.h"

#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char *const good_lines[] = {
    "sotto-genesis 1\n",
    "name demo\n",
    "testnet true\n",
    "genesis_ms 1790000000000\n",
    "epoch_ms 60000\n",
    "replicas 3\n",
    "quorum 2\n",
    "min_relays 7\n",
    "item_lifetime_ms 604800000\n",
    "stamp_bits 0\n",
    "tick_ms 10\n",
    "profile balanced\n",
    "consensus pos\n",
    "block_ms 2000\n",
    "fee_min 5\n",
    "relay_stake_min 1000\n",
    "validator_stake_min 1\n",
    "unbonding_ms 60000\n",
    "slash_percent 100\n",
    "reward_pool 100\n",
    "reward_per_epoch 10\n",
    "samples 8\n",
    "validator " HEX_B " " HEX_A " 3\n",
    "validator " HEX_A " " HEX_B " 4\n",
    "account " HEX_B " 20\n",
    "seed " HEX_B " 127.0.0.1:7070\n",
    "seed " HEX_A " [::1]:7071\n",
};

#define LINES (sizeof good_lines / sizeof *good_lines)
#define VALIDATOR_LINE 23 // the first
#define ACCOUNT_LINE 25
#define SEED_LINE 26 // the first

// The good text with line `at` (from 1; 0: none) replaced.
static struct span text_with(struct buf *out, unsigned at, const char *line) {
    buf_clear(out);
    for (unsigned i = 0; i < LINES; i++)
        buf_append(out, span_of_text(i + 1 == at ? line : good_lines[i]));
    return buf_span(out);
}

// Appends the good lines from `first` to `last`.
static void put_lines(struct buf *out, unsigned first, unsigned last) {
    for (unsigned i = first; i <= last; i++)
        buf_append(out, span_of_text(good_lines[i - 1]));
}

static void a_genesis_is_read_and_written_the_same(void **state) {
    (void)state;
    struct buf text = {0};
    struct buf back = {0};
    struct genesis g;
    assert_int_equal(genesis_parse(&g, text_with(&text, 0, NULL), NULL), OK);
    assert_string_equal(g.name, "demo");
    assert_true(g.testnet);
    assert_int_equal(g.genesis_ms, UINT64_C(1790000000000));
    assert_int_equal(g.epoch_ms, 60000);
    assert_int_equal(g.replicas, 3);
    assert_int_equal(g.quorum, 2);
    assert_int_equal(g.min_relays, 7);
    assert_int_equal(g.item_lifetime_ms, 7 * DAY_MS);
    assert_int_equal(g.stamp_bits, 0);
    assert_int_equal(g.tick_ms, 10);
    assert_int_equal(g.profile, PROFILE_BALANCED);
    assert_int_equal(g.ledger.consensus, CONSENSUS_POS);
    assert_int_equal(g.ledger.block_ms, 2000);
    assert_int_equal(g.ledger.fee_min, 5);
    assert_int_equal(g.ledger.slash_percent, 100);
    assert_int_equal(g.ledger.samples, 8);
    assert_int_equal(g.ledger.validator_count, 2);
    assert_int_equal(g.ledger.validators[1].power, 4);
    assert_int_equal(g.ledger.validators[0].operator.bytes[0], 0xaa);
    assert_int_equal(g.ledger.account_count, 1);
    assert_int_equal(g.ledger.accounts[0].grains, 20);
    assert_int_equal(g.seed_count, 2);
    assert_int_equal(g.seeds[0].id.bytes[1], 0x23);
    assert_string_equal(g.seeds[0].address.host, "127.0.0.1");
    assert_int_equal(g.seeds[1].address.port, 7071);
    genesis_format(&back, &g);
    assert_true(span_equal(buf_span(&text), buf_span(&back)));

    struct network_id network = g.network;
    memset(&g.network, 0, sizeof g.network);
    genesis_seal(&g);
    assert_memory_equal(&network, &g.network, sizeof network);
    buf_free(&text);
    buf_free(&back);
}

static void a_bad_line_is_named(void **state) {
    (void)state;
    static const struct {
        unsigned at;
        const char *line;
    } bad[] = {
        {1, "sotto-genesis 2\n"},
        {1, ""},
        {1, " sotto-genesis 1\n"},
        {2, "name\n"},
        {2, "name \n"},
        {2, "name a b\n"},
        {2, "name 0123456789012345678901234567890123\n"},
        {2, "name  demo\n"},
        {2, "Name demo\n"},
        {3, "testnet yes\n"},
        {3, "testnet TRUE\n"},
        {3, "testnet true\r\n"},
        {3, "testnet true \n"},
        {4, "genesis_ms -1\n"},
        {4, "genesis_ms 0x10\n"},
        {4, "genesis_ms 01790000000000\n"},
        {4, "genesis_ms 18446744073709551616\n"},
        {4, "genesis_ms 253402300800000\n"},
        {5, "epoch_ms 999\n"},
        {5, "epoch_ms 86400001\n"},
        {5, "epoch_ms 60000.0\n"},
        {5, "epoch_ms 6e4\n"},
        {6, "replicas 1\n"},
        {6, "replicas 4\n"},
        {6, "replicas 259\n"},
        {6, "quorum 2\n"},
        {7, "quorum 1\n"},
        {7, "quorum 4\n"},
        {8, "min_relays 0\n"},
        {8, "min_relays 4097\n"},
        {9, "item_lifetime_ms 1209600001\n"},
        {10, "stamp_bits 41\n"},
        {11, "tick_ms 1001\n"},
        {12, "profile strong\n"},
        {12, "profile Fast\n"},
        {13, ""},
        {13, "key " HEX_A "\nconsensus pos\n"},
        {13, "consensus pow\n"},
        {14, "block_ms 3600001\n"},
        {22, "samples 65\n"},
        {23, "validator " HEX_B " " HEX_A " 0\n"},
        {23, "validator aa " HEX_A " 1\n"},
        {23, "validator " HEX_B " AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA 1\n"},
        {24, "validator " HEX_B " " HEX_A " 3\n"},
        {25, "account " HEX_B " 0\n"},
        {26, "seed " HEX_B "\n"},
        {26, "seed " HEX_B " 127.0.0.1\n"},
        {26, "seed " HEX_B " ::1:80\n"},
        {26, "seed " HEX_B "  127.0.0.1:80\n"},
        {26, "seed " HEX_B " 127.0.0.1:080\n"},
        {26, "seed " HEX_B " 127.0.0.1:80 \n"},
        {27, "seed " HEX_A " [::1]:7071"},
        {27, "seed " HEX_A " [::1]:7071\nextra 1\n"},
        {27, "seed " HEX_A " [::1]:7071\n\n"},
    };
    struct buf text = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct genesis g;
        unsigned line = 0;
        if (genesis_parse(&g, text_with(&text, bad[i].at, bad[i].line), &line) != ERR_MALFORMED)
            fail_msg("taken: %s", bad[i].line);
        const char *end = strchr(bad[i].line, '\n');
        bool is_followed = bad[i].at == LINES && end != NULL && end[1] != '\0'; // what follows is wrong
        unsigned expected = bad[i].at + is_followed;
        if (line != expected)
            fail_msg("line %u named instead of %u: %s", line, expected, bad[i].line);
    }
    buf_free(&text);
}

static void two_replicas_cannot_make_a_quorum_of_three(void **state) {
    (void)state;
    struct buf text = {0};
    struct genesis g;
    unsigned line = 0;
    text_with(&text, 6, "replicas 2\n");
    assert_int_equal(genesis_parse(&g, buf_span(&text), &line), OK);
    buf_clear(&text);
    for (unsigned i = 0; i < LINES; i++)
        buf_append(&text, span_of_text(i == 5 ? "replicas 2\n" : i == 6 ? "quorum 3\n" : good_lines[i]));
    assert_int_equal(genesis_parse(&g, buf_span(&text), &line), ERR_MALFORMED);
    assert_int_equal(line, 7);
    buf_free(&text);
}

static bool takes_genesis(void *ctx, struct span bytes) {
    return genesis_parse(ctx, bytes, NULL) == OK;
}

static void no_part_of_a_genesis_is_a_genesis_except_with_fewer_seeds(void **state) {
    (void)state;
    struct buf text = {0};
    struct genesis g;
    const struct parser parser = {takes_genesis, &g};
    struct span whole = text_with(&text, 0, NULL);
    size_t one_seed = whole.n - strlen(good_lines[LINES - 1]);
    for (size_t n = 0; n < whole.n; n++)
        assert_int_equal(parser_takes(&parser, span_of(whole.p, n)), n == one_seed);
    buf_free(&text);
}

static void seeds_are_one_to_sixteen(void **state) {
    (void)state;
    struct buf text = {0};
    struct genesis g;
    unsigned line = 0;
    for (unsigned seeds = 0; seeds <= 17; seeds++) {
        buf_clear(&text);
        put_lines(&text, 1, SEED_LINE - 1);
        for (unsigned i = 0; i < seeds; i++)
            put_lines(&text, SEED_LINE, SEED_LINE);
        enum err expected = seeds >= 1 && seeds <= 16 ? OK : ERR_MALFORMED;
        assert_int_equal(genesis_parse(&g, buf_span(&text), &line), expected);
        if (expected == OK)
            assert_int_equal(g.seed_count, seeds);
        else
            assert_int_equal(line, SEED_LINE + (seeds == 0 ? 0 : 16));
    }
    buf_free(&text);
}

static void a_genesis_without_a_validator_is_refused_and_one_without_accounts_is_not(void **state) {
    (void)state;
    struct buf text = {0};
    struct genesis g;
    unsigned line = 0;
    put_lines(&text, 1, VALIDATOR_LINE - 1);
    put_lines(&text, ACCOUNT_LINE, LINES);
    assert_int_equal(genesis_parse(&g, buf_span(&text), &line), ERR_MALFORMED);
    assert_int_equal(line, VALIDATOR_LINE);
    assert_int_equal(genesis_parse(&g, text_with(&text, ACCOUNT_LINE, ""), NULL), OK);
    assert_int_equal(g.ledger.account_count, 0);
    buf_free(&text);
}

static void all_grains_are_those_of_accounts_pool_and_stakes(void **state) {
    (void)state;
    struct buf text = {0};
    struct genesis g;
    assert_int_equal(genesis_parse(&g, text_with(&text, 0, NULL), NULL), OK);
    assert_int_equal(ledger_genesis_supply(&g.ledger), 100 + 3 + 4 + 20);
    g.ledger.consensus = CONSENSUS_POA;
    assert_int_equal(ledger_genesis_supply(&g.ledger), 100 + 20);
    g.ledger.accounts[0].grains = GRAINS_MAX;
    assert_int_equal(ledger_genesis_supply(&g.ledger), UINT64_MAX);
    buf_free(&text);
}

static void authorities_may_share_an_operator_and_stakers_may_not(void **state) {
    (void)state;
    struct buf text = {0};
    struct genesis g;
    unsigned line = 0;
    assert_int_equal(genesis_parse(&g, text_with(&text, 0, NULL), NULL), OK);
    g.ledger.validators[1].operator= g.ledger.validators[0].operator;
    buf_clear(&text);
    genesis_format(&text, &g);
    assert_int_equal(genesis_parse(&g, buf_span(&text), &line), ERR_MALFORMED);
    assert_int_equal(line, VALIDATOR_LINE + 1);
    assert_int_equal(g.ledger.consensus, CONSENSUS_POS); // untouched
    g.ledger.consensus = CONSENSUS_POA;
    buf_clear(&text);
    genesis_format(&text, &g);
    assert_int_equal(genesis_parse(&g, buf_span(&text), NULL), OK);
    buf_free(&text);
}

static void ledger_draw(struct ledger_genesis *ledger, struct rng *rng) {
    *ledger = (struct ledger_genesis){
        .consensus = rng_below(rng, 2) == 0 ? CONSENSUS_POA : CONSENSUS_POS,
        .block_ms = (uint32_t)rng_below(rng, 10000),
        .fee_min = rng_below(rng, GRAINS_MAX),
        .relay_stake_min = rng_below(rng, GRAINS_MAX),
        .unbonding_ms = 1000 + rng_below(rng, DAY_MS),
        .reward_pool = rng_below(rng, GRAINS_MAX / 2),
        .validator_stake_min = 1 + rng_below(rng, 1000),
        .slash_percent = (uint8_t)rng_below(rng, 101),
        .samples = (uint8_t)(1 + rng_below(rng, 64)),
        .validator_count = 1 + (size_t)rng_below(rng, GENESIS_VALIDATORS_MAX),
        .account_count = (size_t)rng_below(rng, GENESIS_ACCOUNTS_MAX + 1),
    };
    for (size_t i = 0; i < ledger->validator_count; i++) {
        struct genesis_validator *v = &ledger->validators[i];
        rng_bytes(rng, v->key.bytes, sizeof v->key.bytes);
        v->key.bytes[0] = (uint8_t)i;
        rng_bytes(rng, v->operator.bytes, sizeof v->operator.bytes);
        v->power = 1 + rng_below(rng, GRAINS_MAX / 1000);
    }
    for (size_t i = 0; i < ledger->account_count; i++) {
        struct genesis_account *account = &ledger->accounts[i];
        rng_bytes(rng, account->id.bytes, sizeof account->id.bytes);
        account->id.bytes[0] = (uint8_t)i;
        account->grains = 1 + rng_below(rng, GRAINS_MAX / 1000);
    }
}

static void validators_are_at_most_a_hundred(void **state) {
    (void)state;
    struct buf text = {0};
    struct genesis g;
    unsigned line = 0;
    for (unsigned count = 100; count <= 101; count++) {
        buf_clear(&text);
        put_lines(&text, 1, VALIDATOR_LINE - 1);
        for (unsigned i = 0; i < count; i++) {
            char validator[160];
            snprintf(validator, sizeof validator, "validator %02x%.62s %02x%.62s 1\n", i, HEX_B, i, HEX_A);
            buf_append(&text, span_of_text(validator));
        }
        put_lines(&text, ACCOUNT_LINE, LINES);
        assert_int_equal(genesis_parse(&g, buf_span(&text), &line), count <= 100 ? OK : ERR_MALFORMED);
    }
    assert_int_equal(line, VALIDATOR_LINE + 100);
    buf_free(&text);
}

static void any_genesis_made_is_read_back(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct rng rng = rng_of_seed(seed);
        struct genesis g = {
            .name = "n",
            .testnet = rng_below(&rng, 2) == 0,
            .genesis_ms = rng_below(&rng, UINT64_C(253402300800000)),
            .epoch_ms = 1000 + rng_below(&rng, DAY_MS - 999),
            .replicas = (uint8_t)(2 + rng_below(&rng, 2)),
            .quorum = 2,
            .min_relays = (uint32_t)(1 + rng_below(&rng, 4096)),
            .item_lifetime_ms = 1000 + rng_below(&rng, 14 * DAY_MS - 999),
            .stamp_bits = (uint8_t)rng_below(&rng, 41),
            .tick_ms = (uint32_t)rng_below(&rng, 1001),
            .profile = rng_below(&rng, 2) == 0 ? PROFILE_FAST : PROFILE_BALANCED,
            .seed_count = 1 + (size_t)rng_below(&rng, GENESIS_SEEDS_MAX),
        };
        for (size_t i = 0; i < g.seed_count; i++) {
            rng_bytes(&rng, g.seeds[i].id.bytes, sizeof g.seeds[i].id.bytes);
            snprintf(g.seeds[i].address.host, sizeof g.seeds[i].address.host, "relay%u.example", rng_u32(&rng));
            g.seeds[i].address.port = (uint16_t)(1 + rng_below(&rng, 65535));
        }
        ledger_draw(&g.ledger, &rng);
        genesis_seal(&g);
        struct buf text = {0};
        struct buf again = {0};
        struct genesis back;
        genesis_format(&text, &g);
        assert_true(text.n <= GENESIS_BYTES_MAX);
        assert_int_equal(genesis_parse(&back, buf_span(&text), NULL), OK);
        assert_memory_equal(&back.network, &g.network, sizeof g.network);
        genesis_format(&again, &back);
        assert_true(span_equal(buf_span(&text), buf_span(&again)));
        buf_free(&text);
        buf_free(&again);
    }
}

static void every_change_of_a_genesis_makes_another_network(void **state) {
    (void)state;
    struct buf text = {0};
    struct genesis good;
    struct genesis other;
    assert_int_equal(genesis_parse(&good, text_with(&text, 0, NULL), NULL), OK);
    assert_int_equal(genesis_parse(&other, text_with(&text, 11, "tick_ms 11\n"), NULL), OK);
    assert_memory_not_equal(&good.network, &other.network, sizeof good.network);
    buf_free(&text);
}

static void epochs_begin_with_one_at_genesis(void **state) {
    (void)state;
    const struct genesis g = {.genesis_ms = 1000000, .epoch_ms = 60000};
    assert_int_equal(epoch_at(&g, 0), 0);
    assert_int_equal(epoch_at(&g, 999999), 0);
    assert_int_equal(epoch_at(&g, 1000000), 1);
    assert_int_equal(epoch_at(&g, 1059999), 1);
    assert_int_equal(epoch_at(&g, 1060000), 2);
    assert_int_equal(epoch_at(&g, UINT64_MAX), UINT32_MAX);
    assert_int_equal(epoch_start_ms(&g, 0), 0);
    assert_int_equal(epoch_start_ms(&g, 1), 1000000);
    for (uint32_t epoch = 1; epoch < 100; epoch++) {
        assert_int_equal(epoch_at(&g, epoch_start_ms(&g, epoch)), epoch);
        assert_int_equal(epoch_at(&g, epoch_start_ms(&g, epoch) - 1), epoch - 1);
    }
}

static void profiles_and_ways_of_consensus_have_names(void **state) {
    (void)state;
    enum profile profile;
    assert_int_equal(profile_parse(&profile, "fast"), OK);
    assert_int_equal(profile, PROFILE_FAST);
    assert_string_equal(profile_text(PROFILE_BALANCED), "balanced");
    assert_int_equal(profile_parse(&profile, ""), ERR_MALFORMED);
    enum consensus consensus;
    assert_int_equal(consensus_parse(&consensus, "pos"), OK);
    assert_string_equal(consensus_text(consensus), "pos");
    assert_int_equal(consensus_parse(&consensus, "pow"), ERR_MALFORMED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_genesis_is_read_and_written_the_same),
        cmocka_unit_test(a_bad_line_is_named),
        cmocka_unit_test(two_replicas_cannot_make_a_quorum_of_three),
        cmocka_unit_test(no_part_of_a_genesis_is_a_genesis_except_with_fewer_seeds),
        cmocka_unit_test(seeds_are_one_to_sixteen),
        cmocka_unit_test(a_genesis_without_a_validator_is_refused_and_one_without_accounts_is_not),
        cmocka_unit_test(all_grains_are_those_of_accounts_pool_and_stakes),
        cmocka_unit_test(authorities_may_share_an_operator_and_stakers_may_not),
        cmocka_unit_test(validators_are_at_most_a_hundred),
        cmocka_unit_test(any_genesis_made_is_read_back),
        cmocka_unit_test(every_change_of_a_genesis_makes_another_network),
        cmocka_unit_test(epochs_begin_with_one_at_genesis),
        cmocka_unit_test(profiles_and_ways_of_consensus_have_names),
    };
    return cmocka_run_group_tests_name("genesis", tests, codec_setup, NULL);
}
