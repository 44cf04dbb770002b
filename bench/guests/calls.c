// Direct calls: recursion with few and with many arguments, in integers and floats.
#include <stdio.h>

__attribute__((noinline)) static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
__attribute__((noinline)) static int tak(int x, int y, int z) { return y >= x ? z : tak(tak(x - 1, y, z), tak(y - 1, z, x), tak(z - 1, x, y)); }
__attribute__((noinline)) static double spread(int n, double a, double b, double c, long long d, int e) {
    return n == 0 ? a + b * c + (double)d + e : spread(n - 1, b, c, a, d + n, e ^ n) + spread(n - 1, c, a, b, d - n, e + n);
}

int main(void) {
    printf("%d %d %.3f\n", fib(42), tak(24, 16, 8), spread(26, 1.5, 2.25, 0.125, 7, 3));
    return 0;
}
