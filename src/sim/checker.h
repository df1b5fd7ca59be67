// What must hold in every world, whatever happened to it. The checker hears what users did and saw, and which disks
// were lost; it knows nothing else.
//
//   promise     what q replicas acknowledged is delivered, unless q of those that signed lost their disks
//   delivery    after healing everything sent is delivered, or expired and shown as such
//   order       of one sender, what is shown is in the order sent, and nothing twice
//   deletion    what was deleted stays deleted, what expired is not shown
//   bounds      no buffer grows beyond its bound
#ifndef SOTTO_SIM_CHECKER_H
#define SOTTO_SIM_CHECKER_H

#include "client/request.h"

#define CHECK_MACHINES_MAX 4096

struct failure {
    const char *what; // static; NULL: nothing failed
    uint64_t at_ms;
    uint32_t machine; // where it was seen
    uint64_t a;       // numbers that the text names
    uint64_t b;
};

// One text, from a user's request to send it to its end.
struct check_message {
    uint32_t from;
    uint32_t to;
    uint32_t number; // in this conversation and direction
    bool accepted;   // the client answered: it is in its outbox
    bool refused;    // the client said no: nothing is promised
    struct message_id id;
    uint64_t sent_ms;
    uint64_t expires_ms;
    enum message_state state; // as the sender was last shown
    uint64_t stored_ms;       // when the sender was first shown its receipts; 0: never
    size_t signer_count;
    uint32_t signers[3]; // machines
    bool shown;
    uint64_t shown_ms;
};

struct checker {
    struct check_message *messages;
    size_t count;
    size_t capacity;
    unsigned quorum;
    uint64_t clock_error_ms;                   // the most that any clock was ever wrong
    uint64_t disk_lost_ms[CHECK_MACHINES_MAX]; // last loss; 0: never
    struct failure failure;                    // the first
};

void checker_init(struct checker *checker, unsigned quorum);
void checker_free(struct checker *checker);
void check_fail(struct checker *checker, uint64_t at_ms, const char *what, uint32_t machine, uint64_t a, uint64_t b);

// A user asks for a text to be sent. The pointer holds until the next call.
struct check_message *check_sending(struct checker *checker, uint32_t from, uint32_t to, uint32_t number,
                                    uint64_t now_ms, uint64_t lifetime_ms);
struct check_message *check_find(struct checker *checker, uint32_t from, uint32_t to, uint32_t number);
// The sender's record of it.
void check_state(struct checker *checker, struct check_message *message, enum message_state state,
                 const uint32_t *signers, size_t signer_count, uint64_t now_ms);
// A text appears on the recipient's screen: called once for each record the client lists.
void check_shown(struct checker *checker, uint32_t to, uint32_t from, uint32_t number, uint64_t now_ms);
void check_disk_lost(struct checker *checker, uint32_t machine, uint64_t now_ms);
void check_bound(struct checker *checker, const char *what, uint32_t machine, uint64_t value, uint64_t bound,
                 uint64_t now_ms);
// Whether everything that was sent has come to its end.
bool check_settled(const struct checker *checker, uint64_t now_ms);
// When the world has healed and settled.
void check_end(struct checker *checker, uint64_t now_ms);

#endif
