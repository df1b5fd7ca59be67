// The texts of errors.
#include "base/err.h"

const char *err_text(enum err err) {
    switch (err) {
#define ERR_CASE(name, value, text) \
    case name:                      \
        return text;
        ERR_LIST(ERR_CASE)
#undef ERR_CASE
    }
    return "unknown error";
}
