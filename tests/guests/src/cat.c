// Copies stdin, or the files named, to stdout, and says on stderr what kind of thing stdin is.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int copy(int fd) {
    static char buffer[65536];
    long long total = 0;
    for (;;) {
        ssize_t length = read(fd, buffer, sizeof buffer);
        if (length < 0) {
            perror("read");
            return 1;
        }
        if (length == 0) break;
        for (ssize_t done = 0; done < length;) {
            ssize_t written = write(1, buffer + done, length - done);
            if (written < 0) {
                perror("write");
                return 1;
            }
            done += written;
        }
        total += length;
    }
    fprintf(stderr, "%lld bytes\n", total);
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        struct stat s;
        fstat(0, &s);
        fprintf(stderr, "stdin is %s, seeking %s\n", S_ISREG(s.st_mode) ? "a file" : S_ISCHR(s.st_mode) ? "a device" : "a stream",
                lseek(0, 0, SEEK_CUR) >= 0 ? "works" : "does not work");
        return copy(0);
    }
    for (int i = 1; i < argc; i++) {
        int fd = open(argv[i], O_RDONLY);
        if (fd < 0) {
            perror(argv[i]);
            return 1;
        }
        if (copy(fd)) return 1;
        close(fd);
    }
    return 0;
}
