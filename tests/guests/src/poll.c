// Waits on stdin with a time limit, again and again: says "tick" when it passes, the line when there is one.
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
    int limit = argc > 1 ? atoi(argv[1]) : 50;
    int ticks = argc > 2 ? atoi(argv[2]) : 1;
    for (;;) {
        struct pollfd fds[1] = {{.fd = 0, .events = POLLIN}};
        int ready = poll(fds, 1, limit);
        if (ready < 0) {
            perror("poll");
            return 1;
        }
        if (ready == 0) {
            puts("tick");
            fflush(stdout);
            if (--ticks == 0) return 0;
            continue;
        }
        char text[256];
        ssize_t length = read(0, text, sizeof text);
        if (length <= 0) {
            puts("end of input");
            return 0;
        }
        printf("got %.*s", (int)length, text);
        fflush(stdout);
    }
}
