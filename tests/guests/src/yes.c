// Writes a line for ever, or as often as the first argument says.
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    long count = argc > 1 ? atol(argv[1]) : -1;
    for (long i = 0; i != count; i++)
        if (puts("y") < 0) return 1;
    return 0;
}
