// Grows memory block by block up to what it is given, touches every page, and says what it got.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    size_t limit = argc > 1 ? strtoul(argv[1], NULL, 10) : 64;
    size_t pages = 0;
    uint64_t sum = 0;
    while (pages < limit) {
        size_t before = __builtin_wasm_memory_grow(0, 16);
        if (before == (size_t)-1) break;
        volatile uint8_t *block = (volatile uint8_t *)(before * 65536);
        for (size_t at = 0; at < 16 * 65536; at += 4096) {
            sum += block[at];
            block[at] = (uint8_t)at;
        }
        pages += 16;
    }
    printf("grew by %zu pages, fresh bytes summed to %llu\n", pages, (unsigned long long)sum);
    return 0;
}
