// 128-bit vectors: a matrix product in floats, and a checksum over bytes. One source for WebAssembly and native code.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef float floats __attribute__((vector_size(16), aligned(4)));
typedef uint8_t bytes __attribute__((vector_size(16), aligned(1)));
typedef uint32_t words __attribute__((vector_size(16), aligned(4)));

enum { N = 320 };
static float a[N][N], b[N][N], c[N][N];
static uint8_t text[1 << 20];

static void product(void) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j += 16) {
            floats sum[4] = {{0}};
            for (int k = 0; k < N; k++) {
                floats x = {a[i][k], a[i][k], a[i][k], a[i][k]};
                for (int l = 0; l < 4; l++) sum[l] += x * *(floats *)&b[k][j + 4 * l];
            }
            for (int l = 0; l < 4; l++) *(floats *)&c[i][j + 4 * l] = sum[l];
        }
}

int main(void) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = (i * 7 + j * 3) % 11 - 5;
            b[i][j] = (i * 5 + j * 13) % 17 - 8;
        }
    for (size_t i = 0; i < sizeof text; i++) text[i] = (uint8_t)(i * i >> 3);
    float trace = 0;
    for (int round = 0; round < 270; round++) {
        product();
        a[round][round] += 1;
        trace += c[round][round];
    }
    words total = {0};
    for (int round = 0; round < 5600; round++) {
        bytes sum = {0};
        for (size_t i = 0; i < sizeof text; i += 32) {
            bytes x = *(bytes *)&text[i], y = *(bytes *)&text[i + 16];
            sum += (x ^ y) & (bytes)(x > y);
        }
        words part;
        memcpy(&part, &sum, 16);
        total = total * 31 + part;
        text[round] ^= (uint8_t)round;
    }
    printf("%.1f %08x\n", trace, total[0] ^ total[1] ^ total[2] ^ total[3]);
    return 0;
}
