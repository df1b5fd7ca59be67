// One sentence for each way in which opening a store fails.
#include "store/why.h"

// What a person can do about the error.
static const char *advice(enum err err) {
    if (err == ERR_LOCKED)
        return "stop the process that uses it, or choose another data folder";
    if (err == ERR_CORRUPT)
        return "check the disk, then restore it from a backup or move it away to start anew";
    if (err == ERR_AUTH)
        return "check the passphrase; if it is right, the file is damaged: restore it from a backup";
    if (err == ERR_UNSUPPORTED)
        return "start the version of the program that wrote it, or a later one";
    return "check that its folder exists and may be written to, and that the disk has room";
}

enum err store_refuse(struct buf *why, enum err err, const char *path, const char *what) {
    const char *parts[] = {"cannot open the store ", path, ": ", what, "; ", advice(err)};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        buf_append(why, span_of_text(parts[i]));
    return err;
}
