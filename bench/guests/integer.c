// Integer arithmetic: xorshift, 64-bit multiplication, division, rotation, bit counting and Collatz walks.
#include <stdint.h>
#include <stdio.h>

static uint64_t state = 88172645463325252ull;
static uint64_t next(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

int main(void) {
    uint64_t hash = 14695981039346656037ull, steps = 0;
    for (int i = 0; i < 400000000; i++) {
        uint64_t x = next();
        hash = (hash ^ x) * 1099511628211ull;
        hash = (hash << 23 | hash >> 41) + (uint64_t)__builtin_popcountll(x);
        if ((x & 15) == 0) hash += x / ((hash >> 40) | 1);
    }
    for (uint32_t start = 1; start < 4000000; start++)
        for (uint64_t n = start; n != 1; steps++) n = n & 1 ? 3 * n + 1 : n >> 1;
    printf("%llx %llu\n", (unsigned long long)hash, (unsigned long long)steps);
    return 0;
}
