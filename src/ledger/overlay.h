// Records as the block being executed sees them: its own writes first, then what is stored below. When the block is
// done the overlay knows every record that changed, with the value before and after, in an order that depends on the
// block alone.
//
// A read that fails is sticky: it reads as absent, and overlay_failed says so. Whoever executed a block asks once, at
// the end, and uses nothing of it after a failure.
#ifndef SOTTO_LEDGER_OVERLAY_H
#define SOTTO_LEDGER_OVERLAY_H

#include "base/step.h"
#include "ledger/pages.h"

#define OVERLAY_KEY_BYTES_MAX 96

struct overlay;

// What lies below: the step (its batch, then the store), a store alone or with the pages held of it, or another
// overlay. Outlives the overlay.
struct overlay *overlay_over_step(struct step *step);
struct overlay *overlay_over_kv(struct kv *kv);
struct overlay *overlay_over_pages(struct pages *pages);
struct overlay *overlay_over(struct overlay *below);
void overlay_free(struct overlay *overlay); // NULL is fine

// False: there is no such record. The view holds until this record is written again.
bool overlay_get(struct overlay *overlay, struct span key, struct span *value);
void overlay_put(struct overlay *overlay, struct span key, struct span value);
void overlay_delete(struct overlay *overlay, struct span key);

// A stored record cannot be what it is (ERR_CORRUPT), or was read wrongly. The first failure stays.
void overlay_fail(struct overlay *overlay, enum err err);
enum err overlay_failed(const struct overlay *overlay);

// One record that this block touched. Both views hold as long as nothing is written.
struct overlay_change {
    struct span key;
    bool was_there;
    struct span before;
    bool is_there;
    struct span after;
};

// Records touched so far, in the order of the first touch; overlay_change is false for one that is as it was.
size_t overlay_touched(const struct overlay *overlay);
bool overlay_change(const struct overlay *overlay, size_t i, struct overlay_change *change);
// Appends what changed as writes, or what takes it back.
void overlay_writes(const struct overlay *overlay, struct kv_batch *batch, enum kv_durability durability);
void overlay_inverse(const struct overlay *overlay, struct kv_batch *batch, enum kv_durability durability);

#endif
