// Clocks, the processor's name, and the way out.
#define _GNU_SOURCE
#include "machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

static uint64_t read_ns(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

uint64_t clock_wall_ns(void) {
    return read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_thread_ns(void) {
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

void bench_die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("sotto-bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

void machine_read(struct machine *machine) {
    *machine = (struct machine){.processors = (unsigned)sysconf(_SC_NPROCESSORS_ONLN)};
    snprintf(machine->processor, sizeof machine->processor, "unknown processor");
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[512];
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "model name : %127[^\n]", machine->processor) == 1)
            break;
    }
    if (file != NULL)
        fclose(file);
    double loads[1];
    if (getloadavg(loads, 1) == 1)
        machine->load = loads[0];
}

// user, nice, system, idle, iowait, irq, softirq, steal
#define TICK_KINDS 8
#define TICKS_IDLE 3
#define TICKS_IOWAIT 4

void machine_ticks(double *busy, double *all) {
    unsigned long long ticks[TICK_KINDS] = {0};
    FILE *file = fopen("/proc/stat", "re");
    if (file != NULL) {
        if (fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &ticks[0], &ticks[1], &ticks[2], &ticks[3],
                   &ticks[4], &ticks[5], &ticks[6], &ticks[7]) != TICK_KINDS)
            memset(ticks, 0, sizeof ticks);
        fclose(file);
    }
    *busy = *all = 0;
    for (size_t i = 0; i < TICK_KINDS; i++) {
        *all += (double)ticks[i];
        *busy += i == TICKS_IDLE || i == TICKS_IOWAIT ? 0 : (double)ticks[i];
    }
}

void bench_watch(struct bench *bench) {
    const struct timespec pause = {.tv_nsec = 50000000};
    double busy[2], all[2];
    machine_ticks(&busy[0], &all[0]);
    nanosleep(&pause, NULL);
    machine_ticks(&busy[1], &all[1]);
    bench->watched++;
    if (all[1] > all[0])
        bench->others_busy += (busy[1] - busy[0]) / (all[1] - all[0]);
}

double machine_memory_mb(long long process) {
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%lld/smaps_rollup", process);
    FILE *file = fopen(path, "re");
    unsigned long kib = 0;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "Pss: %lu", &kib) == 1)
            break;
    }
    if (file != NULL)
        fclose(file);
    return (double)kib * 1024 / 1e6;
}
