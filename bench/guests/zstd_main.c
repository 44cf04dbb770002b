// Compresses and decompresses generated text with Zstandard, at a fast and at a thorough level.
#include "zstd.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    static const char *words[16] = {"light ", "wall ", "candle ", "small ", "fort ", "holds ", "a ", "the ",
                                    "module ", "memory ", "stack ", "trap ", "of ", "and ", "0x", "\n"};
    size_t size = 26 << 20;
    char *text = malloc(size + 16), *back = malloc(size);
    uint32_t state = 7;
    for (size_t at = 0; at < size;) {
        state = state * 1664525u + 1013904223u;
        uint32_t r = state >> 12;
        const char *word = words[r % 16 < 10 ? r / 16 % 6 + r / 97 % 11 : r % 16];
        size_t length = strlen(word);
        memcpy(text + at, word, length);
        at += length;
        if (r % 31 == 0) text[at - 1] = (char)(33 + r / 31 % 90);
    }
    size_t bound = ZSTD_compressBound(size);
    char *packed = malloc(bound);
    for (int level = 1; level <= 7; level += 3) {
        size_t length = ZSTD_compress(packed, bound, text, size, level);
        for (int i = 0; i < 3; i++)
            if (ZSTD_decompress(back, size, packed, length) != size) return 1;
        if (memcmp(text, back, size)) return 2;
        printf("%d %zu\n", level, length);
    }
    return 0;
}
