// Ends with the code given as first argument, by the way given as second: return, exit, or abort-free _Exit.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void at_exit(void) { puts("atexit ran"); }

int main(int argc, char **argv) {
    int code = argc > 1 ? atoi(argv[1]) : 0;
    const char *way = argc > 2 ? argv[2] : "return";
    atexit(at_exit);
    if (!strcmp(way, "exit")) exit(code);
    if (!strcmp(way, "_Exit")) _Exit(code);
    return code;
}
