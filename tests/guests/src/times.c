// Clocks run forward, sleeping sleeps, and file times are kept to the nanosecond.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static long long now(clockid_t clock) {
    struct timespec t;
    if (clock_gettime(clock, &t) < 0) return -1;
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char **argv) {
    if (argc < 2 || chdir(argv[1]) < 0) return 2;
    long long before = now(CLOCK_MONOTONIC);
    struct timespec pause = {0, 20000000};
    printf("sleep %d\n", nanosleep(&pause, NULL));
    long long slept = now(CLOCK_MONOTONIC) - before;
    printf("slept at least 20 ms: %s\n", slept >= 20000000 ? "yes" : "no");
    printf("after 2020: %s\n", now(CLOCK_REALTIME) > 1577836800000000000LL ? "yes" : "no");
    struct timespec resolution;
    printf("resolution %d %s\n", clock_getres(CLOCK_MONOTONIC, &resolution),
           resolution.tv_sec == 0 && resolution.tv_nsec > 0 ? "known" : "unknown");
    close(open("t", O_CREAT | O_WRONLY, 0644));
    struct timespec set[2] = {{1000000000, 123456789}, {1500000000, 987654321}};
    printf("utimensat %d\n", utimensat(AT_FDCWD, "t", set, 0));
    struct stat s;
    stat("t", &s);
    printf("atime %lld.%09ld mtime %lld.%09ld\n", (long long)s.st_atim.tv_sec, s.st_atim.tv_nsec, (long long)s.st_mtim.tv_sec,
           s.st_mtim.tv_nsec);
    struct timespec omit[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
    printf("utimensat %d\n", utimensat(AT_FDCWD, "t", omit, 0));
    stat("t", &s);
    printf("atime kept %s, mtime moved %s\n", s.st_atim.tv_nsec == 123456789 ? "yes" : "no", s.st_mtim.tv_sec > 1577836800 ? "yes" : "no");
    unlink("t");
    return 0;
}
