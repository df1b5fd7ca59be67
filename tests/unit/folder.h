// A fresh folder under $TMPDIR (or /tmp) for a test's files, and its removal with all that is in it. Include it before
// any system header.
#ifndef SOTTO_TESTS_FOLDER_H
#define SOTTO_TESTS_FOLDER_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

static inline char *folder_make(void) {
    const char *parent = getenv("TMPDIR");
    char *path = NULL;
    if (asprintf(&path, "%s/sotto-test-XXXXXX", parent != NULL ? parent : "/tmp") < 0 || mkdtemp(path) == NULL)
        abort();
    return path;
}

static inline int folder_remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw) {
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

// Frees the path, too.
static inline void folder_remove(char *path) {
    nftw(path, folder_remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(path);
}

// A path inside the folder; freed by the caller.
static inline char *folder_file(const char *folder, const char *name) {
    char *path = NULL;
    if (asprintf(&path, "%s/%s", folder, name) < 0)
        abort();
    return path;
}

#endif
