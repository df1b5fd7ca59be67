#define _GNU_SOURCE
#include "bed.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "base/assert.h"
#include "host/key_file.h"
#include "place.h"
#include "testnet/control.h"
#include "wire/message.h"

#define PATIENCE_NS (UINT64_C(30) * 1000000000)
#define PROBE_PATIENCE_NS (UINT64_C(1) * 1000000000)
#define EPOCH_MS (60 * MINUTE_MS) // no epoch ends while something is measured
#define CLIENT_DIAL 1
#define HALF_HOUR_MS (30 * MINUTE_MS)

static uint64_t wall_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

// ---- what the ends say ----

static void send_message(struct bed_end *end, struct span message) {
    uint8_t cell[CELL_BYTES];
    for (size_t i = 0; i < message_cells(message.n); i++) {
        message_cell(cell, message, i);
        bed_send(end, cell);
    }
}

static void send_hello(struct bed_end *end) {
    const struct directory *directory = end->bed->directory;
    const struct hello hello = {.version = LINK_PROTOCOL_VERSION,
                                .network = end->bed->genesis.network,
                                .epoch = directory != NULL ? directory->epoch : 0,
                                .wall_ms = wall_ms()};
    uint8_t bytes[HELLO_BYTES];
    send_message(end, span_of(bytes, hello_encode(bytes, &hello)));
}

static void list_relay(struct directory_relay *out, struct bed *bed, const struct relay_id *id, uint16_t port) {
    out->id = *id;
    out->placed = true;
    out->since_epoch = bed->directory->epoch;
    rng_bytes(&bed->rng, out->placement.bytes, sizeof out->placement.bytes);
    snprintf(out->address.host, sizeof out->address.host, "127.0.0.1");
    out->address.port = port;
    out->onion = bed->onion; // the relay end peels nothing: any keys will do
}

static void make_directory(struct bed *bed) {
    bed->directory = NEW(struct directory);
    bed->directory->references = 1;
    bed->directory->network = bed->genesis.network;
    bed->directory->epoch = bed->directory->changed_epoch = epoch_at(&bed->genesis, wall_ms());
    bed->directory->issued_ms = wall_ms();
    bed->directory->relay_count = 2;
    bed->directory->relays = NEW_ARRAY(struct directory_relay, 2);
    bool first = relay_id_compare(&bed->relay, &bed->own) < 0;
    list_relay(&bed->directory->relays[first ? 0 : 1], bed, &bed->relay, bed->relay_port);
    list_relay(&bed->directory->relays[first ? 1 : 0], bed, &bed->own, bed->own_port);
    directory_encode(&bed->directory->bytes, bed->directory);
    const struct bundle_plan plan = {.epoch = bed->directory->epoch,
                                     .directory = buf_span(&bed->directory->bytes),
                                     .height = 1,
                                     .time_ms = wall_ms(),
                                     .signers = 1};
    bundle_make(&bed->bundle, &bed->committee, &plan);
}

static void on_get_directory(struct bed_end *end, struct span message) {
    struct buf answer = {0};
    uint32_t epoch;
    ASSERT(get_directory_decode(&epoch, message) == OK);
    const struct directory *directory = end->bed->directory;
    bool held = directory != NULL && (epoch == 0 || epoch == directory->epoch);
    directory_message_encode(&answer, epoch, held ? buf_span(&end->bed->bundle) : (struct span){0});
    send_message(end, buf_span(&answer));
    buf_free(&answer);
    end->bed->directory_sent = end->bed->directory_sent || held;
}

static void on_message(struct bed_end *end, struct span message) {
    uint8_t kind = message.n > 0 ? message.p[0] : 0;
    uint8_t pong[9];
    uint64_t token;
    if (kind == MESSAGE_PING && ping_decode(&token, message) == OK)
        send_message(end, span_of(pong, ping_encode(pong, MESSAGE_PONG, token)));
    else if (kind == MESSAGE_GET_DIRECTORY)
        on_get_directory(end, message);
    else if (kind >= MESSAGE_REPLICA_FIRST && kind <= MESSAGE_REPLICA_LAST && end->bed->message != NULL)
        end->bed->message(end->bed, message);
}

static void on_cell(struct bed_end *end) {
    struct cell cell;
    bool complete = false;
    ASSERT(cell_decode(&cell, end->cell) == OK);
    if (cell.kind == CELL_PACKET)
        end->bed->packets++;
    if (cell.kind != CELL_PART)
        return;
    ASSERT(assembler_take(&end->assembler, &complete, &cell) == OK);
    if (complete)
        on_message(end, buf_span(&end->assembler.message));
}

// ---- links ----

static void on_open(void *ctx, uint64_t link, uint64_t dial, enum link_kind kind, const struct sign_public *key,
                    uint64_t address_tag) {
    (void)kind;
    struct bed_end *end = ctx;
    (void)dial;
    (void)key;
    (void)address_tag;
    end->link = link;
    end->cell_n = end->burst = 0;
    send_hello(end);
}

static void on_bytes(void *ctx, uint64_t link, struct span bytes) {
    struct bed_end *end = ctx;
    if (link != end->link)
        return;
    while (bytes.n > 0) {
        size_t n = CELL_BYTES - end->cell_n < bytes.n ? CELL_BYTES - end->cell_n : bytes.n;
        memcpy(end->cell + end->cell_n, bytes.p, n);
        end->cell_n += n;
        bytes = span_of(bytes.p + n, bytes.n - n);
        if (end->cell_n == CELL_BYTES) {
            end->cell_n = 0;
            on_cell(end);
        }
    }
}

static void on_drained(void *ctx, uint64_t link) {
    struct bed_end *end = ctx;
    if (link == end->link)
        end->burst = 0;
}

static void on_closed(void *ctx, uint64_t link, enum close_reason reason) {
    struct bed_end *end = ctx;
    (void)reason;
    if (link == end->link)
        end->link = 0;
}

static void on_dial_failed(void *ctx, uint64_t dial, enum close_reason reason) {
    (void)ctx;
    (void)dial;
    (void)reason;
}

bool bed_may_send(const struct bed_end *end) {
    return end->link != 0 && end->burst < BED_BURST_CELLS;
}

void bed_send(struct bed_end *end, const uint8_t cell[static CELL_BYTES]) {
    net_send(end->net, end->link, span_of(cell, CELL_BYTES));
    end->burst++;
}

static bool end_open(struct bed_end *end, struct bed *bed, const uint8_t *identity_seed) {
    static const uint8_t tag_key[32];
    struct net_config config = {.identity_seed = identity_seed, .tag_key = tag_key, .metrics = bed->metrics};
    net_limits_defaults(&config.limits);
    const struct net_events events = {end, on_open, on_bytes, on_drained, on_closed, on_dial_failed};
    struct buf why = {0};
    end->bed = bed;
    end->assembler.bytes_max = MESSAGE_BYTES_MAX_RELAY;
    enum err err = net_new(&end->net, bed->loop, &config, &events, &why);
    buf_free(&why);
    return err == OK;
}

// ---- the process ----

// A port that was free a moment ago.
static uint16_t free_port(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof address;
    ASSERT(fd >= 0 && bind(fd, (struct sockaddr *)&address, n) == 0);
    ASSERT(getsockname(fd, (struct sockaddr *)&address, &n) == 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void write_file(const char *place, const char *name, struct span bytes) {
    char *path = place_file(place, name);
    struct buf why = {0};
    if (file_write(path, bytes, 0600, true, &why) != OK)
        bench_die("%.*s", (int)why.n, (const char *)why.p);
    buf_free(&why);
    free(path);
}

static void write_config(const struct bed *bed) {
    char *text;
    int n = asprintf(&text,
                     "name: bench\n"
                     "roles: [relay]\n"
                     "genesis: genesis.sotto\n"
                     "data_dir: data\n"
                     "identity: identity.key\n"
                     "storage: rocksdb\n"
                     "storage_free_min: 16M\n"
                     "listen: [127.0.0.1:%u]\n"
                     "api:\n"
                     "  listen: 127.0.0.1:%u\n"
                     "  token_file: api.token\n"
                     "limits:\n"
                     "  packets_per_s_per_link: 1000000\n"
                     "  packets_per_s_per_address: 1000000\n"
                     "log:\n"
                     "  file: log\n",
                     bed->relay_port, bed->api_port);
    ASSERT(n > 0);
    write_file(bed->place, "config.yaml", span_of_text(text));
    free(text);
}

static void write_files(struct bed *bed) {
    struct buf genesis = {0}, why = {0};
    genesis_format(&genesis, &bed->genesis);
    write_file(bed->place, "genesis.sotto", buf_span(&genesis));
    buf_free(&genesis);
    uint8_t seed[KEY_SEED_BYTES];
    struct sign_secret secret;
    struct sign_public public;
    rng_bytes(&bed->rng, seed, sizeof seed);
    sign_key_from_seed(&secret, &public, seed);
    memcpy(bed->relay.bytes, public.bytes, sizeof public.bytes);
    char *path = place_file(bed->place, "identity.key");
    if (key_file_write(path, seed, &why) != OK)
        bench_die("%.*s", (int)why.n, (const char *)why.p);
    free(path);
    write_config(bed);
}

static void make_genesis(struct bed *bed) {
    struct sign_secret secret;
    struct sign_public public;
    rng_bytes(&bed->rng, bed->own_seed, sizeof bed->own_seed);
    sign_key_from_seed(&secret, &public, bed->own_seed);
    memcpy(bed->own.bytes, public.bytes, sizeof public.bytes);
    bed->genesis = (struct genesis){
        .name = "bench",
        .testnet = true,
        .genesis_ms = wall_ms() - HALF_HOUR_MS,
        .epoch_ms = EPOCH_MS,
        .replicas = 2,
        .quorum = 2,
        .min_relays = 2,
        .item_lifetime_ms = 7 * DAY_MS,
        .tick_ms = 0,
        .profile = PROFILE_FAST,
        .ledger = {.consensus = CONSENSUS_POA, .validator_stake_min = 1, .unbonding_ms = DAY_MS, .samples = 1},
        .seed_count = 1};
    committee_draw(&bed->committee, 1, 1, &bed->rng);
    committee_found(&bed->genesis.ledger, &bed->committee);
    bed->genesis.seeds[0].id = bed->own;
    snprintf(bed->genesis.seeds[0].address.host, sizeof bed->genesis.seeds[0].address.host, "127.0.0.1");
    bed->genesis.seeds[0].address.port = bed->own_port;
    genesis_seal(&bed->genesis);
    bed->committee.network = bed->genesis.network;
}

// `sottod` stands beside `sotto`.
static void run_sottod(const struct bench *bench, const struct bed *bed) {
    char *config = place_file(bed->place, "config.yaml");
    char *output = place_file(bed->place, "output");
    char *program;
    ASSERT(asprintf(&program, "%sd", bench->sotto) > 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int fd = open(output, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    execl(program, program, "--config", config, (char *)NULL);
    _exit(127);
}

static void print_log(const struct bed *bed) {
    static const char *const names[] = {"output", "log"};
    for (size_t i = 0; i < 2; i++) {
        struct buf text = {0}, why = {0};
        char *path = place_file(bed->place, names[i]);
        if (file_read(&text, path, 1024 * 1024, &why) == OK)
            fprintf(stderr, "%.*s", (int)text.n, (const char *)text.p);
        buf_free(&text);
        buf_free(&why);
        free(path);
    }
}

uint64_t bed_cpu_ns(const struct bed *bed) {
    struct timespec time = {0};
    clock_gettime(bed->cpu_clock, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

// ---- getting there ----

static void on_tick(uv_timer_t *timer) {
    (void)timer;
}

bool bed_run(struct bed *bed, bool (*done)(void *ctx), void *ctx) {
    uint64_t began_ns = clock_wall_ns();
    while (!done(ctx)) {
        int status;
        if (waitpid(bed->process, &status, WNOHANG) == bed->process) {
            bed->process = 0;
            fprintf(stderr, "sotto-bench: the relay has ended\n");
            print_log(bed);
            return false;
        }
        if (clock_wall_ns() - began_ns > PATIENCE_NS) {
            fprintf(stderr, "sotto-bench: the relay does not answer\n");
            print_log(bed);
            return false;
        }
        uv_run(bed->loop, UV_RUN_ONCE);
    }
    return true;
}

void bed_make_packet(struct bed *bed, uint8_t packet[static SPHINX_PACKET_BYTES]) {
    uint32_t epoch = bed->directory->epoch;
    const struct onion_keys *onion = &bed->onion;
    ASSERT(epoch >= onion->first_epoch && epoch - onion->first_epoch < ONION_KEYS_AHEAD);
    struct sphinx_hop hops[2];
    for (size_t i = 0; i < 2; i++)
        hops[i] = (struct sphinx_hop){.onion = onion->keys[epoch - onion->first_epoch], .key_epoch = (uint8_t)epoch};
    memcpy(hops[0].id, bed->relay.bytes, sizeof hops[0].id);
    memcpy(hops[1].id, bed->own.bytes, sizeof hops[1].id);
    const struct sphinx_end end = {.type = SPHINX_DELIVER};
    ASSERT(sphinx_make(packet, hops, 2, &end, (struct span){0}, &bed->rng) == OK);
}

// Asks the relay, which answers some time after its start, for the onion keys that it would be registered with.
static bool knows_keys(void *ctx) {
    struct bed *bed = ctx;
    char url[64];
    char *token = place_file(bed->place, "api.token");
    long status = 0;
    json_t *relay = NULL, *keys = NULL;
    json_int_t first_epoch = 0;
    struct buf why = {0};
    snprintf(url, sizeof url, "http://127.0.0.1:%u/v1/relay", bed->api_port);
    bool known = http_call(bed->http, &status, &relay, "GET", url, token, NULL, &why) == OK && status == 200 &&
                 json_unpack(relay, "{sI so}", "first_epoch", &first_epoch, "onion_keys", &keys) == 0 &&
                 json_array_size(keys) == ONION_KEYS_AHEAD;
    bed->onion.first_epoch = (uint32_t)first_epoch;
    for (size_t i = 0; known && i < ONION_KEYS_AHEAD; i++) {
        const char *key = json_string_value(json_array_get(keys, i));
        known = key != NULL && hex_decode(bed->onion.keys[i].bytes, sizeof bed->onion.keys[i].bytes, key) == OK;
    }
    json_decref(relay);
    buf_free(&why);
    free(token);
    return known;
}

static bool is_listed(void *ctx) {
    return ((struct bed *)ctx)->directory_sent;
}

static bool is_connected(void *ctx) {
    return ((struct bed *)ctx)->client_end.link != 0;
}

// The relay may still be reading its directory or its filter: packets until one gets through. The next one goes out
// only when the one before must have been dropped, so that none of them arrives while packets are counted.
static bool forwards(void *ctx) {
    struct bed *bed = ctx;
    uint64_t now_ns = clock_wall_ns();
    bool lost = now_ns - bed->probed_ns > PROBE_PATIENCE_NS;
    if (bed->packets == 0 && lost && bed_may_send(&bed->client_end)) {
        uint8_t packet[SPHINX_PACKET_BYTES], cell[CELL_BYTES];
        bed_make_packet(bed, packet);
        cell_encode(cell, CELL_PACKET, 0, SPAN_OF(packet));
        bed_send(&bed->client_end, cell);
        bed->probed_ns = now_ns;
    }
    return bed->packets > 0;
}

static bool get_going(struct bed *bed) {
    struct address address = {.host = "127.0.0.1", .port = bed->own_port};
    struct buf why = {0};
    if (!end_open(&bed->relay_end, bed, bed->own_seed) || !end_open(&bed->client_end, bed, NULL) ||
        net_listen(bed->relay_end.net, NULL, &address, &why) != OK) {
        fprintf(stderr, "sotto-bench: cannot listen: %.*s\n", (int)why.n, (const char *)why.p);
        return false;
    }
    if (!bed_run(bed, knows_keys, bed))
        return false;
    make_directory(bed);
    if (!bed_run(bed, is_listed, bed))
        return false;
    struct sign_public key;
    memcpy(key.bytes, bed->relay.bytes, sizeof key.bytes);
    address.port = bed->relay_port;
    net_dial(bed->client_end.net, CLIENT_DIAL, LINK_CELLS, &address, &key, false);
    return bed_run(bed, is_connected, bed) && bed_run(bed, forwards, bed);
}

// Wakes the loop so that its user looks at the clock.
static uv_timer_t *timer_new(uv_loop_t *loop) {
    uv_timer_t *timer = NEW(uv_timer_t);
    uv_timer_init(loop, timer);
    uv_timer_start(timer, on_tick, 50, 50);
    return timer;
}

struct bed *bed_new(const struct bench *bench) {
    struct bed *bed = NEW(struct bed);
    bed->place = place_new(bench);
    bed->loop = NEW(uv_loop_t);
    uv_loop_init(bed->loop);
    bed->loop->data = timer_new(bed->loop);
    bed->metrics = metrics_new();
    uint8_t seed[RNG_SEED_BYTES];
    random_seed(seed, sizeof seed);
    rng_init(&bed->rng, seed);
    bed->own_port = free_port();
    bed->relay_port = free_port();
    bed->api_port = free_port();
    bed->http = http_client_new();
    make_genesis(bed);
    write_files(bed);
    bed->process = fork();
    if (bed->process == 0)
        run_sottod(bench, bed);
    if (bed->process < 0 || clock_getcpuclockid(bed->process, &bed->cpu_clock) != 0 || !get_going(bed)) {
        bed_free(bed);
        return NULL;
    }
    return bed;
}

static void on_handle_closed(uv_handle_t *handle) {
    free(handle);
}

void bed_free(struct bed *bed) {
    if (bed->process > 0) {
        kill(bed->process, SIGTERM);
        waitpid(bed->process, NULL, 0);
    }
    struct bed_end *ends[] = {&bed->relay_end, &bed->client_end};
    for (size_t i = 0; i < 2; i++) {
        if (ends[i]->net != NULL)
            net_stop(ends[i]->net);
    }
    uv_close((uv_handle_t *)bed->loop->data, on_handle_closed);
    uv_run(bed->loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < 2; i++) {
        if (ends[i]->net != NULL)
            net_free(ends[i]->net);
        assembler_free(&ends[i]->assembler);
    }
    ASSERT(uv_loop_close(bed->loop) == 0);
    http_client_free(bed->http);
    buf_free(&bed->bundle);
    directory_unref(bed->directory);
    metrics_free(bed->metrics);
    place_remove(bed->place);
    free(bed->loop);
    free(bed);
}
