// What a step does to the log, and the calls of an engine.
#include "base/log.h"

#include "base/assert.h"

void log_batch_append(struct log_batch *batch, struct span bytes) {
    buf_append(&batch->bytes, bytes);
}

void log_batch_sync(struct log_batch *batch) {
    batch->synced = true;
}

void log_batch_reset(struct log_batch *batch, struct span bytes) {
    buf_clear(&batch->bytes);
    buf_append(&batch->bytes, bytes);
    batch->reset = true;
    batch->synced = true;
}

bool log_batch_is_empty(const struct log_batch *batch) {
    return batch->bytes.n == 0 && !batch->reset && !batch->synced;
}

void log_batch_clear(struct log_batch *batch) {
    buf_clear(&batch->bytes);
    batch->reset = false;
    batch->synced = false;
}

void log_batch_free(struct log_batch *batch) {
    buf_free(&batch->bytes);
    *batch = (struct log_batch){0};
}

enum err log_write(struct log *log, const struct log_batch *batch) {
    ASSERT(!log_batch_is_empty(batch));
    return log->ops->write(log, batch);
}

uint64_t log_mark(struct log *log) {
    return log->ops->mark(log);
}

enum err log_sync(struct log *log, uint64_t mark) {
    return log->ops->sync(log, mark);
}

void log_close(struct log *log) {
    log->ops->close(log);
}
