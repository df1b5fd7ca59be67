// See system.h.
#include "host/system.h"

#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "crypto/hash.h"
#include "host/key_file.h"

static uint64_t milliseconds(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

struct now system_now(void) {
    return (struct now){.mono_ms = milliseconds(CLOCK_MONOTONIC), .wall_ms = milliseconds(CLOCK_REALTIME)};
}

void system_boot_id(uint8_t boot_id[static 32]) {
    struct buf text = {0};
    struct buf why = {0};
    if (file_read(&text, "/proc/sys/kernel/random/boot_id", 64, &why) == OK && text.n > 0) {
        struct hash hash;
        hash_bytes(&hash, "sotto boot id", buf_span(&text));
        memcpy(boot_id, hash.bytes, 32);
    } else {
        random_seed(boot_id, 32);
    }
    buf_free(&text);
    buf_free(&why);
}

static uint64_t microseconds(struct timeval time) {
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

static uint64_t count_open_fds(void) {
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL) {
        return 0;
    }
    uint64_t count = 0;
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        count += entry->d_name[0] != '.';
    }
    closedir(folder);
    return count - 1; // the one just used
}

static uint64_t resident_bytes(void) {
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long long size;
    unsigned long long resident = 0;
    if (file != NULL) {
        if (fscanf(file, "%llu %llu", &size, &resident) != 2) {
            resident = 0;
        }
        fclose(file);
    }
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

void system_process(struct process_reading *out) {
    struct rusage usage;
    struct rlimit files;
    *out = (struct process_reading){.resident_bytes = resident_bytes(), .open_fds = count_open_fds()};
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        out->cpu_us = microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        out->max_fds = files.rlim_cur;
    }
}

void system_save_memory(void) {
    // Two arenas: the loop's and one for the other threads. A fixed threshold, so that big blocks always go back.
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
    mallopt(M_TRIM_THRESHOLD, 128 * 1024);
    setenv("UV_THREADPOOL_SIZE", "1", 0); // it only resolves names here
}

void system_private_files(void) {
    (void)umask(077);
}

void system_no_dumps(void) {
    const struct rlimit none = {0};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0); // a core_pattern that is a pipe does not look at the limit
}

uint64_t system_raise_file_limit(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) {
        return 1024;
    }
    rlim_t soft = files.rlim_cur;
    files.rlim_cur = files.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &files) == 0 ? files.rlim_max : soft;
}

#define OWN_FILES 1024 // 256 tables of the store and its logs, dials, libraries, threads' ends

uint32_t system_links_within(uint64_t files, uint32_t http_clients) {
    uint64_t own = OWN_FILES + (uint64_t)http_clients;
    uint64_t links = files > 2 * own ? files - own : files / 4;
    return links < UINT32_MAX ? (uint32_t)links : UINT32_MAX;
}

enum err system_make_folder(const char *path, struct buf *why) {
    struct stat status;
    if (mkdir(path, 0700) == 0 || (errno == EEXIST && stat(path, &status) == 0 && S_ISDIR(status.st_mode))) {
        return OK;
    }
    buf_append(why, SPAN_LITERAL("cannot make the folder "));
    buf_append(why, span_of_text(path));
    buf_append(why, SPAN_LITERAL(": "));
    buf_append(why, span_of_text(errno == EEXIST ? "something else has this name" : strerror(errno)));
    return ERR_IO;
}
