// Calls through a table: a machine whose every instruction is a function pointer.
#include <stdint.h>
#include <stdio.h>

typedef struct machine {
    uint32_t a, b;
    uint32_t memory[256];
} machine;
typedef uint32_t (*operation)(machine *, uint32_t);

static uint32_t op_add(machine *m, uint32_t x) { return m->a += x; }
static uint32_t op_xor(machine *m, uint32_t x) { return m->a ^= m->b + x; }
static uint32_t op_load(machine *m, uint32_t x) { return m->b = m->memory[(m->a + x) & 255]; }
static uint32_t op_store(machine *m, uint32_t x) { return m->memory[(m->b + x) & 255] = m->a; }
static uint32_t op_rotate(machine *m, uint32_t x) { return m->a = m->a << (x & 31) | m->a >> (-x & 31); }
static uint32_t op_multiply(machine *m, uint32_t x) { return m->b = m->b * 2654435761u + x; }
static uint32_t op_swap(machine *m, uint32_t x) {
    uint32_t t = m->a;
    m->a = m->b;
    return m->b = t ^ x;
}
static operation volatile table[8] = {op_add, op_xor, op_load, op_store, op_rotate, op_multiply, op_swap, op_add};

int main(void) {
    static machine m = {1, 2, {3}};
    uint8_t program[64];
    for (int i = 0; i < 64; i++) program[i] = (uint8_t)(i * 29 + 7);
    uint32_t sum = 0;
    for (int round = 0; round < 13000000; round++)
        for (int i = 0; i < 64; i += 2) sum += table[program[i + (round & 1)] & 7](&m, program[i]);
    printf("%u %u %u\n", sum, m.a, m.b);
    return 0;
}
