// Accepts one connection on the first socket handed in, answers each line in capitals, and ends with the connection.
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    int listener = -1;
    for (int fd = 3; fd < 16 && listener < 0; fd++) {
        struct stat s;
        if (fstat(fd, &s) == 0 && S_ISSOCK(s.st_mode)) listener = fd;
    }
    if (listener < 0) {
        puts("no socket was handed in");
        return 1;
    }
    puts("listening");
    fflush(stdout);
    int peer = accept(listener, NULL, NULL);
    if (peer < 0) {
        printf("accept: %s\n", strerror(errno));
        return 1;
    }
    char text[512];
    for (;;) {
        ssize_t length = recv(peer, text, sizeof text, 0);
        if (length <= 0) break;
        for (ssize_t i = 0; i < length; i++) text[i] = (char)toupper((unsigned char)text[i]);
        if (send(peer, text, length, 0) != length) return 1;
    }
    shutdown(peer, SHUT_RDWR);
    puts("done");
    return 0;
}
