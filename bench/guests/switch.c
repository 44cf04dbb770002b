// A bytecode interpreter by switch: jump tables, unpredictable branches, a stack in memory.
#include <stdint.h>
#include <stdio.h>

enum { PUSH, ADD, SUB, MUL, DUP, SWAP, DROP, LESS, JUMP, JUMP_IF, LOAD, STORE, MOD, HALT };

static int64_t run(const uint8_t *code, int64_t n) {
    int64_t stack[64], slots[8] = {n}, *top = stack;
    for (const uint8_t *pc = code;;) {
        switch (*pc++) {
        case PUSH: *top++ = *pc++; break;
        case ADD: top--; top[-1] += *top; break;
        case SUB: top--; top[-1] -= *top; break;
        case MUL: top--; top[-1] *= *top; break;
        case DUP: *top = top[-1]; top++; break;
        case SWAP: { int64_t t = top[-1]; top[-1] = top[-2]; top[-2] = t; break; }
        case DROP: top--; break;
        case LESS: top--; top[-1] = top[-1] < *top; break;
        case JUMP: pc = code + *pc; break;
        case JUMP_IF: pc = *--top ? code + *pc : pc + 1; break;
        case LOAD: *top++ = slots[*pc++ & 7]; break;
        case STORE: slots[*pc++ & 7] = *--top; break;
        case MOD: top--; top[-1] = *top ? top[-1] % *top : 0; break;
        default: return slots[1];
        }
    }
}

int main(void) {
    // while (0 < s0) { s1 = (s1 * 31 + s0) % 251; if (s1 < 128) s2 += s1; else s2 -= 1; s0 -= 1 } s1 = s1 + s2
    static const uint8_t code[] = {
        PUSH, 0, LOAD, 0, LESS, JUMP_IF, 9, JUMP, 57,
        LOAD, 1, PUSH, 31, MUL, LOAD, 0, ADD, PUSH, 251, MOD, DUP, STORE, 1,
        PUSH, 128, LESS, JUMP_IF, 38, LOAD, 2, PUSH, 1, SUB, STORE, 2, JUMP, 45, HALT,
        LOAD, 2, LOAD, 1, ADD, STORE, 2,
        LOAD, 0, PUSH, 1, SUB, STORE, 0, PUSH, 7, DROP, JUMP, 0,
        LOAD, 1, LOAD, 2, ADD, STORE, 1, HALT,
    };
    volatile int64_t count = 28000000;
    printf("%lld\n", (long long)run(code, count));
    return 0;
}
