// Whether a node can do its work, and if not, what it waits for.
#include "node/node_internal.h"

// Without a directory: what is in the way of one.
static const char *waits_for_directory(const struct node *node, const struct now *now) {
    if (relays_seeds_refuse(node)) {
        return "a TLS handshake with a seed: certificates do not fit (tls.certificate, tls.ca)";
    }
    if (node->standing != NULL && standing_waits_for(node->standing) != NULL) {
        return standing_waits_for(node->standing);
    }
    if (light_role_waits_for(node) != NULL) {
        return light_role_waits_for(node);
    }
    const char *why = follow_why_none(node->follow, now->wall_ms);
    return why != NULL ? why : "a directory"; // which comes into force with the next tick
}

static bool relay_role_ready(const struct node *node, const struct now *now, const char **waiting_for) {
    if (!relay_ready(node->relay)) {
        *waiting_for = "replay filter being read";
    } else if (node->directory == NULL) {
        *waiting_for = waits_for_directory(node, now);
    } else if (!mailbox_ready(node->mailbox)) {
        *waiting_for = "mailboxes being counted";
    } else if (directory_find(node->directory, &node->self) == NULL) {
        const char *standing = standing_waits_for(node->standing);
        *waiting_for = standing != NULL ? standing : "the next directory, to be listed in it";
    } else {
        return true;
    }
    return false;
}

bool node_ready(const struct node *node, const struct now *now, const char **waiting_for) {
    *waiting_for = NULL;
    if (node->stopping) {
        *waiting_for = "stopping";
        return false;
    }
    if (node->relay != NULL && !relay_role_ready(node, now, waiting_for)) {
        return false;
    }
    if (node->ledger != NULL && ledger_waits_for(node->ledger) != NULL) {
        *waiting_for = ledger_waits_for(node->ledger);
        return false;
    }
    if ((node->config.roles & ROLE_BOOTSTRAP) && node->directory == NULL) {
        *waiting_for = waits_for_directory(node, now);
        return false;
    }
    if (node->client != NULL && !client_ready(node->client)) {
        *waiting_for =
            node->directory == NULL ? waits_for_directory(node, now) : "links to its entries and its mailboxes";
        return false;
    }
    return true;
}

static uint32_t count_links(const struct node *node, bool relays) {
    uint32_t count = 0;
    for (size_t i = 0; i < node->links.count; i++) {
        const struct link *link = node->links.links[i];
        count += link->hello_received && link->has_key == relays;
    }
    return count;
}

void node_status_of(const struct node *node, const struct now *now, struct node_status *out) {
    *out = (struct node_status){
        .epoch = epoch_at(&node->config.genesis, now->wall_ms),
        .directory_epoch = node->directory == NULL ? 0 : node->directory->epoch,
        .relays = node->directory == NULL ? 0 : (uint32_t)node->directory->relay_count,
        .relay_links = count_links(node, true),
        .client_links = count_links(node, false),
    };
    light_role_checkpoint(node, &out->checkpoint);
    out->ready = node_ready(node, now, &out->waiting_for);
}
