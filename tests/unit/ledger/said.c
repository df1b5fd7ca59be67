// See said.h. Searched from the end: most of what is said is said again soon.
#include "ledger/said.h"

static bool is_vote_of_slot(const struct vote *a, const struct vote *b) {
    return a->height == b->height && a->round == b->round && a->type == b->type;
}

bool said_vote(struct said *said, const struct vote *vote) {
    const struct vote *votes = (const void *)said->votes.p;
    struct evidence evidence;
    for (size_t i = said->votes.n / sizeof(*vote); i-- > 0;)
        if (is_vote_of_slot(&votes[i], vote))
            return evidence_of_votes(&evidence, &votes[i], vote) != OK;
    buf_append(&said->votes, span_of(vote, sizeof(*vote)));
    return true;
}

bool said_proposal(struct said *said, const struct proposal *proposal) {
    const struct proposal *proposals = (const void *)said->proposals.p;
    struct evidence evidence;
    for (size_t i = said->proposals.n / sizeof(*proposal); i-- > 0;)
        if (proposals[i].height == proposal->height && proposals[i].round == proposal->round)
            return evidence_of_proposals(&evidence, &proposals[i], proposal) != OK;
    buf_append(&said->proposals, span_of(proposal, sizeof(*proposal)));
    return true;
}

void said_free(struct said *said) {
    buf_free(&said->votes);
    buf_free(&said->proposals);
}
