// Runs a fuzz target over its corpus without libFuzzer, so that every compiler and every test run covers it: each file
// as it is, cut short at every length, and with every byte changed in turn.
// usage: fuzz_<parser> CORPUS_FOLDER
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define FILE_BYTES_MAX (1 << 20)
#define VARIANTS_MAX 4096 // cuts and changes of one file; a longer file is sampled at equal steps

// The target gets its own allocation of exactly the size, so that a sanitizer sees a read past its end.
static void run_copy(const uint8_t *bytes, size_t size) {
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL)
        abort();
    if (size > 0)
        memcpy(copy, bytes, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void run_variants(uint8_t *bytes, size_t size) {
    size_t step = size / VARIANTS_MAX + 1;
    run_copy(bytes, size);
    for (size_t i = 0; i < size; i += step) {
        run_copy(bytes, i);
        bytes[i] ^= (uint8_t)(1U << (i % 8));
        run_copy(bytes, size);
        bytes[i] ^= (uint8_t)(1U << (i % 8));
    }
}

static int run_file(const char *folder, const char *name) {
    static uint8_t bytes[FILE_BYTES_MAX];
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    run_variants(bytes, size);
    return 0;
}

int main(int argc, char **argv) {
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    if (folder == NULL) {
        fprintf(stderr, "usage: %s CORPUS_FOLDER\n", argv[0]);
        return 2;
    }
    int files = 0;
    int failed = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (entry->d_name[0] != '.') {
            failed |= run_file(argv[1], entry->d_name);
            files++;
        }
    }
    closedir(folder);
    if (files == 0)
        fprintf(stderr, "%s: no corpus\n", argv[1]);
    return failed != 0 || files == 0 ? 1 : 0;
}
