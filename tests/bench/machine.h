// The machine the figures are from.
#ifndef SOTTO_TESTS_BENCH_MACHINE_H
#define SOTTO_TESTS_BENCH_MACHINE_H

struct machine {
    char processor[128];
    unsigned processors;
    double load; // of the last minute
};

void machine_read(struct machine *machine);
// Time that the processors have spent at work and in all, in ticks; since the machine started.
void machine_ticks(double *busy, double *all);
// Pss of a process in MB; 0: not to be read.
double machine_memory_mb(long long process);

#endif
