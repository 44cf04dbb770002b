// Deep and wide recursion that must succeed: frames are the runtime's, memory is the guest's.
#include <stdio.h>

__attribute__((noinline)) static int deep(int n) { return n == 0 ? 0 : 1 + deep(n - 1); }
__attribute__((noinline)) static int ackermann(int m, int n) {
    if (m == 0) return n + 1;
    if (n == 0) return ackermann(m - 1, 1);
    return ackermann(m - 1, ackermann(m, n - 1));
}
__attribute__((noinline)) static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
static int is_odd(int n);
__attribute__((noinline)) static int is_even(int n) { return n == 0 ? 1 : !is_odd(n - 1) ? 0 : 1; }
__attribute__((noinline)) static int is_odd(int n) { return n == 0 ? 0 : is_even(n - 1); }

int main(void) {
    volatile int depth = 10000;
    printf("deep %d\n", deep(depth));
    printf("ackermann %d\n", ackermann(2, 300));
    printf("fib %d\n", fib(24));
    printf("even %d odd %d\n", is_even(depth), is_odd(depth));
    return 0;
}
