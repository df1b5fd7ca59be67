// How much room the disk has.
#include "store/store.h"

#include <sys/statvfs.h>

enum err store_free_bytes(uint64_t *free_bytes, const char *path) {
    struct statvfs disk;
    if (statvfs(path, &disk) != 0)
        return ERR_IO;
    *free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    return OK;
}
