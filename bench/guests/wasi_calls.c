// The cost of one call of a kind, by its own clock, in nanoseconds. Arguments: kind, number of calls, directory, device directory.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int argc, char **argv) {
    if (argc < 5) return 2;
    const char *kind = argv[1];
    long count = atol(argv[2]);
    char path[256], bytes[16] = "0123456789abcde";
    snprintf(path, sizeof path, "%s/file", argv[3]);
    int file = open(path, O_CREAT | O_RDWR, 0644);
    if (file < 0 || pwrite(file, bytes, 16, 0) != 16) return 3;
    char device[256];
    snprintf(device, sizeof device, "%s/null", argv[4]);
    int null = open(device, O_WRONLY);
    if (null < 0) return 4;
    long good = 0;
    struct timespec t;
    struct stat s;
    double start = now();
    if (!strcmp(kind, "clock_gettime"))
        for (long i = 0; i < count; i++) good += clock_gettime(CLOCK_MONOTONIC, &t) == 0;
    else if (!strcmp(kind, "pread 16"))
        for (long i = 0; i < count; i++) good += pread(file, bytes, 16, 0) == 16;
    else if (!strcmp(kind, "write 16"))
        for (long i = 0; i < count; i++) good += write(null, bytes, 16) == 16;
    else if (!strcmp(kind, "fstat"))
        for (long i = 0; i < count; i++) good += fstat(file, &s) == 0;
    else if (!strcmp(kind, "stat"))
        for (long i = 0; i < count; i++) good += stat(path, &s) == 0;
    else if (!strcmp(kind, "open+close"))
        for (long i = 0; i < count; i++) good += close(open(path, O_RDONLY)) == 0;
    else if (!strcmp(kind, "getentropy 16"))
        for (long i = 0; i < count; i++) good += getentropy(bytes, 16) == 0;
    else
        return 5;
    double took = now() - start;
    if (good != count) return 6;
    printf("%.2f\n", took / (double)count);
    return 0;
}
