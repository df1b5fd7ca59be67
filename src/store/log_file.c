// The log of a node in one file that grows.
//
//     loop thread     write ──> queue in memory
//     commit thread   sync  ──> what the mark covers: appended to the file, fdatasync; or, where it holds a reset:
//                               <path>.new written, fsync, rename to <path>, fsync of the folder
//
// Until the rename the old file stands, after it the new one, each whole. Nothing gets into the file but by a sync,
// and no more than its mark covers: the host syncs the store between mark and sync, so that the log on the disk never
// tells of a step whose writes to the store are not there, and never forgets what the store does not yet hold.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "store/store.h"
#include "store/why.h"

#define NEW_SUFFIX ".new"

// A write that no sync has covered.
struct queued {
    struct queued *next;
    uint64_t number;
    bool reset;
    struct buf bytes;
};

struct log_file {
    struct log log;
    char *path;
    char *path_new;
    int folder;            // locked: one process has the log
    int file;              // the commit thread's
    pthread_mutex_t mutex; // over the rest
    uint64_t written;      // number of the last write
    size_t length;         // with all that is queued
    struct queued *first;
    struct queued *last;
};

static struct log_file *file_of(struct log *log) {
    return (struct log_file *)log;
}

static enum err failure(void) {
    return errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_IO;
}

static enum err write_all(int file, struct span bytes) {
    while (bytes.n > 0) {
        ssize_t n = write(file, bytes.p, bytes.n);
        if (n < 0 && errno != EINTR)
            return failure();
        if (n > 0)
            bytes = span_of(bytes.p + n, bytes.n - (size_t)n);
    }
    return OK;
}

// ---- the loop thread ----

static void enqueue(struct log_file *file, const struct log_batch *batch) {
    struct queued *queued = NEW(struct queued);
    queued->number = file->written;
    queued->reset = batch->reset;
    buf_append(&queued->bytes, buf_span(&batch->bytes));
    if (file->last != NULL)
        file->last->next = queued;
    else
        file->first = queued;
    file->last = queued;
}

static enum err file_write(struct log *log, const struct log_batch *batch) {
    struct log_file *file = file_of(log);
    pthread_mutex_lock(&file->mutex);
    file->written++;
    file->length = batch->bytes.n + (batch->reset ? 0 : file->length);
    enum err err = file->length > LOG_BYTES_MAX ? ERR_FULL : OK;
    if (err == OK)
        enqueue(file, batch);
    pthread_mutex_unlock(&file->mutex);
    return err;
}

static uint64_t file_mark(struct log *log) {
    struct log_file *file = file_of(log);
    pthread_mutex_lock(&file->mutex);
    uint64_t mark = file->written;
    pthread_mutex_unlock(&file->mutex);
    return mark;
}

// ---- the commit thread ----

static void pop(struct log_file *file) {
    struct queued *queued = file->first;
    file->first = queued->next;
    if (file->first == NULL)
        file->last = NULL;
    buf_free(&queued->bytes);
    free(queued);
}

// Takes out of the queue what the mark covers: after a reset all that the new file will hold. Returns whether there is
// one.
static bool take(struct log_file *file, uint64_t mark, struct buf *bytes) {
    bool reset = false;
    pthread_mutex_lock(&file->mutex);
    while (file->first != NULL && file->first->number <= mark) {
        if (file->first->reset)
            buf_clear(bytes);
        reset = reset || file->first->reset;
        buf_append(bytes, buf_span(&file->first->bytes));
        pop(file);
    }
    pthread_mutex_unlock(&file->mutex);
    return reset;
}

// Returns the open new file; -1 and errno set when a step fails.
static int make_file(const char *path, struct span contents) {
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0)
        return -1;
    if (write_all(file, contents) == OK && fsync(file) == 0)
        return file;
    int error = errno;
    close(file);
    errno = error;
    return -1;
}

static enum err replace(struct log_file *file, struct span contents) {
    int made = make_file(file->path_new, contents);
    if (made < 0)
        return failure();
    if (rename(file->path_new, file->path) != 0 || fsync(file->folder) != 0) {
        enum err err = failure();
        close(made);
        return err;
    }
    close(file->file);
    file->file = made;
    return OK;
}

static enum err append(struct log_file *file, struct span bytes) {
    enum err err = write_all(file->file, bytes);
    return err != OK || fdatasync(file->file) == 0 ? err : failure();
}

static enum err file_sync(struct log *log, uint64_t mark) {
    struct log_file *file = file_of(log);
    struct buf bytes = {0};
    enum err err = OK;
    if (take(file, mark, &bytes))
        err = replace(file, buf_span(&bytes));
    else if (bytes.n > 0)
        err = append(file, buf_span(&bytes));
    buf_free(&bytes);
    return err;
}

// ---- life ----

static void file_close(struct log *log) {
    struct log_file *file = file_of(log);
    while (file->first != NULL)
        pop(file);
    if (file->file >= 0)
        close(file->file);
    if (file->folder >= 0)
        close(file->folder);
    pthread_mutex_destroy(&file->mutex);
    free(file->path);
    free(file->path_new);
    free(file);
}

static const struct log_ops file_ops = {
    .write = file_write,
    .mark = file_mark,
    .sync = file_sync,
    .close = file_close,
};

static enum err open_folder(struct log_file *file, struct buf *why) {
    const char *slash = strrchr(file->path, '/');
    ASSERT(slash != NULL);
    char *folder = mem_text(span_of(file->path, (size_t)(slash - file->path)));
    file->folder = open(slash == file->path ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (file->folder < 0)
        return store_refuse(why, ERR_IO, file->path, strerror(errno));
    if (flock(file->folder, LOCK_EX | LOCK_NB) != 0)
        return store_refuse(why, errno == EWOULDBLOCK ? ERR_LOCKED : ERR_IO, file->path, strerror(errno));
    return OK;
}

static enum err read_bytes_of(struct log_file *file, struct buf *bytes, struct buf *why) {
    struct stat status;
    if (fstat(file->file, &status) != 0)
        return store_refuse(why, ERR_IO, file->path, strerror(errno));
    if (!S_ISREG(status.st_mode) || (uint64_t)status.st_size > LOG_BYTES_MAX)
        return store_refuse(why, ERR_CORRUPT, file->path, "it is no log: not a file, or too long");
    file->length = (size_t)status.st_size;
    uint8_t *p = buf_extend(bytes, file->length);
    for (size_t n = 0; n < file->length;) {
        ssize_t got = pread(file->file, p + n, file->length - n, (off_t)n);
        if (got == 0 || (got < 0 && errno != EINTR))
            return store_refuse(why, ERR_IO, file->path, got == 0 ? "it became shorter" : strerror(errno));
        n += got > 0 ? (size_t)got : 0;
    }
    return OK;
}

// What is handed to the node is what it goes on from, so it must not be lost later: a process that was killed within a
// sync may have left bytes, and a name, that are not on the disk yet.
static enum err make_durable(struct log_file *file, struct buf *why) {
    if (unlink(file->path_new) != 0 && errno != ENOENT)
        return store_refuse(why, ERR_IO, file->path_new, strerror(errno));
    if (fsync(file->file) != 0 || fsync(file->folder) != 0)
        return store_refuse(why, ERR_IO, file->path, strerror(errno));
    return OK;
}

static char *path_with(const char *path, const char *suffix) {
    struct buf text = {0};
    buf_append(&text, span_of_text(path));
    buf_append(&text, span_of_text(suffix));
    char *copy = mem_text(buf_span(&text));
    buf_free(&text);
    return copy;
}

enum err store_open_log(struct log **log, struct buf *bytes, const char *path, struct buf *why) {
    struct log_file *file = NEW(struct log_file);
    file->log.ops = &file_ops;
    file->path = path_with(path, "");
    file->path_new = path_with(path, NEW_SUFFIX);
    file->folder = -1;
    file->file = -1;
    int status = pthread_mutex_init(&file->mutex, NULL);
    ASSERT(status == 0);
    enum err err = open_folder(file, why);
    if (err == OK) {
        file->file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (file->file < 0)
            err = store_refuse(why, ERR_IO, path, strerror(errno));
    }
    struct buf read = {0};
    if (err == OK)
        err = read_bytes_of(file, &read, why);
    if (err == OK)
        err = make_durable(file, why);
    if (err != OK) {
        buf_free(&read);
        file_close(&file->log);
        return err;
    }
    *bytes = read;
    *log = &file->log;
    return OK;
}
