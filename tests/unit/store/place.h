// Where one test keeps its store: a path inside a fresh folder. Include it before any system header.
#ifndef SOTTO_TESTS_STORE_PLACE_H
#define SOTTO_TESTS_STORE_PLACE_H

#include "folder.h"

struct place {
    char *folder;
    char *path;
};

static inline void place_make(struct place *place) {
    place->folder = folder_make();
    place->path = folder_file(place->folder, "store");
}

static inline void place_remove(struct place *place) {
    free(place->path);
    folder_remove(place->folder);
}

// For cmocka: a place as the state of a test.
static inline int place_set_up(void **state) {
    *state = malloc(sizeof(struct place));
    place_make(*state);
    return 0;
}

static inline int place_tear_down(void **state) {
    place_remove(*state);
    free(*state);
    return 0;
}

#endif
