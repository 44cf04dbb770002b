// Sorting and searching: branches that cannot be predicted, calls through a comparison, strings.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t state = 12345;
static uint32_t next(void) { return state = state * 1664525u + 1013904223u; }
static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}
static void quick(uint32_t *low, uint32_t *high) {
    while (high - low > 12) {
        uint32_t pivot = low[(high - low) / 2], *i = low, *j = high - 1;
        for (;;) {
            while (*i < pivot) i++;
            while (*j > pivot) j--;
            if (i >= j) break;
            uint32_t t = *i;
            *i++ = *j;
            *j-- = t;
        }
        quick(low, i);
        low = i;
    }
    for (uint32_t *i = low + 1; i < high; i++) {
        uint32_t value = *i, *j = i;
        for (; j > low && j[-1] > value; j--) *j = j[-1];
        *j = value;
    }
}

int main(void) {
    enum { COUNT = 1000000 };
    uint32_t *numbers = malloc(COUNT * sizeof *numbers);
    uint64_t sum = 0;
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < COUNT; i++) numbers[i] = next();
        quick(numbers, numbers + COUNT);
        for (int i = 0; i < COUNT; i += 1000) sum = sum * 31 + numbers[i];
    }
    for (int i = 0; i < COUNT; i++) numbers[i] = next();
    qsort(numbers, COUNT / 4, sizeof *numbers, by_value);
    for (int i = 0; i < 700000; i++) {
        uint32_t key = next();
        sum += bsearch(&key, numbers, COUNT / 4, sizeof *numbers, by_value) != NULL;
    }
    char *text = malloc(1 << 22);
    for (int i = 0; i < (1 << 22) - 1; i++) text[i] = "etaoin shrdlu"[next() >> 16 & 7];
    text[(1 << 22) - 1] = 0;
    for (const char *at = text; (at = strstr(at, "tea")); at++) sum++;
    printf("%llu %zu\n", (unsigned long long)sum, strlen(text));
    return 0;
}
