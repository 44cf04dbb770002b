// Calls through pointers of several types, a sort with a callback, setjmp-free dispatch through a table.
#include <stdio.h>
#include <stdlib.h>

typedef int (*binary)(int, int);
static int add(int a, int b) { return a + b; }
static int sub(int a, int b) { return a - b; }
static int mul(int a, int b) { return a * b; }
static double mix(int a, float b, long long c, double d) { return a + b + (double)c + d; }
static binary table[] = {add, sub, mul};
static double (*volatile mixed)(int, float, long long, double) = mix;

static int descending(const void *a, const void *b) { return *(const int *)b - *(const int *)a; }

int main(void) {
    int value = 1;
    for (int i = 0; i < 12; i++) value = table[i % 3](value, i + 1);
    printf("value %d\n", value);
    printf("mixed %g\n", mixed(1, 2.5f, 1LL << 33, 0.125));
    int numbers[] = {3, 141, 59, 26, 5, 35, 89, 79, 32, 38};
    qsort(numbers, 10, sizeof *numbers, descending);
    for (int i = 0; i < 10; i++) printf("%d ", numbers[i]);
    printf("\n");
    return 0;
}
