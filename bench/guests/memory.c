// Loads and stores: a chase through 64 MiB, copies, a histogram and strided sums.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    enum { CELLS = 16 << 20 };
    uint32_t *next = malloc(CELLS * sizeof *next);
    for (uint32_t i = 0; i < CELLS; i++) next[i] = (i * 1664525u + 1013904223u) & (CELLS - 1);
    uint32_t at = 0;
    for (int i = 0; i < 4000000; i++) at = next[at];
    static uint32_t histogram[65536];
    uint64_t sum = 0;
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < CELLS; i++) histogram[next[i] >> 8 & 65535] += i;
        for (uint32_t stride = 1; stride <= 64; stride *= 8)
            for (uint32_t i = 0; i < CELLS; i += stride) sum += next[i];
        memmove(next + 1, next, (CELLS - 1) * sizeof *next);
        for (uint32_t i = 0; i < CELLS / 4; i++) ((volatile uint16_t *)next)[i] = (uint16_t)(i ^ round);
    }
    for (int i = 0; i < 65536; i++) sum = sum * 3 + histogram[i];
    printf("%u %llu\n", at, (unsigned long long)sum);
    return 0;
}
