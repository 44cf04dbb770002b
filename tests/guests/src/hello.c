// The smallest program with a libc: one line, exit code 0.
#include <stdio.h>

int main(void) {
    puts("Hello from WebAssembly!");
    return 0;
}
