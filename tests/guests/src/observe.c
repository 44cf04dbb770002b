// Writes down everything that a program can observe beside its arguments: clocks, random bytes, descriptors, the directory /w in
// the order in which it is read, what becomes of files there, standard input in the pieces in which it comes, bits of NaNs.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <wasi/api.h>

static void clocks(const char *when) {
    printf("clocks %s", when);
    for (int id = 0; id < 4; id++) {
        __wasi_timestamp_t t = 0, resolution = 0;
        int e = __wasi_clock_time_get(id, 0, &t), r = __wasi_clock_res_get(id, &resolution);
        printf(" %d:%d:%llu/%d:%llu", id, e, t, r, resolution);
    }
    puts("");
}

static void status(const char *what, const struct stat *s) {
    printf("%s: device %llu number %llu mode %o links %llu size %lld times %lld.%ld %lld.%ld %lld.%ld\n", what,
           (unsigned long long)s->st_dev, (unsigned long long)s->st_ino, s->st_mode, (unsigned long long)s->st_nlink,
           (long long)s->st_size, (long long)s->st_atim.tv_sec, s->st_atim.tv_nsec, (long long)s->st_mtim.tv_sec,
           s->st_mtim.tv_nsec, (long long)s->st_ctim.tv_sec, s->st_ctim.tv_nsec);
}

static void look(const char *path) {
    struct stat s;
    if (lstat(path, &s) < 0) printf("%s: errno %d\n", path, errno);
    else status(path, &s);
}

static void make(const char *path) {
    int fd = open(path, O_CREAT | O_WRONLY, 0644);
    if (fd < 0) printf("%s: errno %d\n", path, errno);
    close(fd);
    look(path);
}

static void walk(const char *path) {
    DIR *dir = opendir(path);
    if (!dir) {
        printf("%s: errno %d\n", path, errno);
        return;
    }
    for (struct dirent *e; (e = readdir(dir));) {
        printf("%s has %s: number %llu type %d place %ld\n", path, e->d_name, (unsigned long long)e->d_ino, e->d_type, telldir(dir));
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        char below[4096], text[4096];
        snprintf(below, sizeof below, "%s/%s", path, e->d_name);
        look(below);
        ssize_t n = readlink(below, text, sizeof text);
        if (n >= 0) printf("leads to %.*s\n", (int)n, text);
        if (e->d_type == DT_DIR) walk(below);
    }
    closedir(dir);
}

static void descriptors(void) {
    for (int fd = 0; fd < 6; fd++) {
        __wasi_fdstat_t f;
        __wasi_filestat_t s;
        int e = __wasi_fd_fdstat_get(fd, &f);
        printf("descriptor %d: errno %d", fd, e);
        if (!e) printf(" type %d flags %x rights %llx %llx tty %d", f.fs_filetype, f.fs_flags, f.fs_rights_base, f.fs_rights_inheriting, isatty(fd));
        if (!e && !__wasi_fd_filestat_get(fd, &s)) printf(" is %llu:%llu links %llu size %llu times %llu %llu %llu", s.dev, s.ino, s.nlink, s.size, s.atim, s.mtim, s.ctim);
        __wasi_filesize_t at = 0;
        __wasi_size_t n;
        char byte;
        __wasi_iovec_t into = {(uint8_t *)&byte, 1};
        if (!e) printf(" tell %d seek %d", __wasi_fd_tell(fd, &at), __wasi_fd_seek(fd, 0, 2, &at));
        if (!e && fd < 3) printf(" pread %d size %d sync %d", __wasi_fd_pread(fd, &into, 1, 0, &n), __wasi_fd_filestat_set_size(fd, 0), __wasi_fd_sync(fd));
        if (!e && fd < 3) printf(" flags %d %d", __wasi_fd_fdstat_set_flags(fd, __WASI_FDFLAGS_APPEND), __wasi_fd_fdstat_set_flags(fd, 0));
        puts("");
    }
}

static void waiting(void) {
    struct pollfd fds[2] = {{0, POLLIN, 0}, {1, POLLOUT, 0}};
    int n = poll(fds, 2, 100);
    printf("poll %d: %x %x\n", n, fds[0].revents, fds[1].revents);
    clocks("after waiting for descriptors");
    __wasi_subscription_t s[3] = {0};
    __wasi_event_t events[3];
    __wasi_size_t count = 0;
    s[0].userdata = 7, s[0].u.u.clock.id = __WASI_CLOCKID_REALTIME, s[0].u.u.clock.timeout = 3000000000;
    s[1].userdata = 8, s[1].u.u.clock.id = __WASI_CLOCKID_MONOTONIC, s[1].u.u.clock.timeout = 86400000000000;
    int e = __wasi_poll_oneoff(s, events, 2, &count);
    printf("poll_oneoff %d: %lu, first %llu\n", e, count, events[0].userdata);
    s[2].userdata = 9, s[2].u.tag = __WASI_EVENTTYPE_FD_READ, s[2].u.u.fd_read.file_descriptor = 0;
    e = __wasi_poll_oneoff(s, events, 3, &count);
    printf("poll_oneoff %d: %lu, first %llu bytes %llu flags %x\n", e, count, events[0].userdata, events[0].fd_readwrite.nbytes, events[0].fd_readwrite.flags);
    struct timespec hour = {3600, 5};
    printf("sleep %d yield %d\n", nanosleep(&hour, NULL), sched_yield());
    clocks("after sleeping");
    int turns = 0;
    __wasi_timestamp_t used, end;
    __wasi_clock_time_get(__WASI_CLOCKID_PROCESS_CPUTIME_ID, 0, &used);
    for (end = used + 5000000; used < end; turns++) __wasi_clock_time_get(__WASI_CLOCKID_PROCESS_CPUTIME_ID, 0, &used);
    printf("turns in 5 ms: %d\n", turns);
}

static void changes(void) {
    make("/w/new");
    make("/w/new2");
    unlink("/w/new");
    unlink("/w/new2");
    make("/w/new3");
    mkdir("/w/dir", 0755);
    look("/w/dir");
    symlink("new3", "/w/link");
    look("/w/link");
    struct timespec times[2] = {{1000000000, 123456789}, {0, UTIME_NOW}};
    printf("utimensat %d\n", utimensat(AT_FDCWD, "/w/new3", times, 0));
    look("/w/new3");
    int fd = open("/w/new3", O_WRONLY | O_APPEND);
    printf("write %zd\n", write(fd, "abc", 3));
    look("/w/new3");
    times[0].tv_nsec = UTIME_OMIT, times[1].tv_sec = 5, times[1].tv_nsec = 6;
    printf("futimens %d\n", futimens(fd, times));
    look("/w/new3");
    close(fd);
    printf("rename %d\n", rename("/w/new3", "/w/dir/new4"));
    walk("/w/dir");
    unlink("/w/dir/new4"), unlink("/w/link"), rmdir("/w/dir");
}

static void input(void) {
    printf("nonblocking %d\n", fcntl(0, F_SETFL, O_NONBLOCK));
    static unsigned char bytes[40000];
    unsigned sum = 0;
    for (ssize_t n; (n = read(0, bytes, sizeof bytes)) != 0;) {
        if (n < 0) {
            printf("read: errno %d\n", errno);
            break;
        }
        for (ssize_t i = 0; i < n; i++) sum = sum * 31 + bytes[i];
        printf("read %zd sum %u\n", n, sum);
    }
}

static void nans(void) {
    volatile float z = 0, x;
    volatile double dz = 0, d;
    union { float f; unsigned u; } payload = {.u = 0xffa12345}, r;
    union { double f; unsigned long long u; } rd, dpayload = {.u = 0xfff4123456789abcULL};
    volatile float p = payload.f;
    volatile double dp = dpayload.f;
#define F(e) x = (e), r.f = x, printf(" %08x", r.u)
#define D(e) d = (e), rd.f = d, printf(" %016llx", rd.u)
    F(z / z), F(z * __builtin_inff()), F(p + 1), F(1 + p), F(p - p), F(p * 2), F(__builtin_sqrtf(z - 1)), F(__builtin_sqrtf(p));
    F(__builtin_floorf(p)), F((float)dp), D(dz / dz), D(dp + 1), D(dp * dp), D(__builtin_sqrt(dz - 1)), D((double)p), D(__builtin_rint(dp));
    puts("");
}

int main(int argc, char **argv) {
    for (int i = 0; i < argc; i++) printf("argument %s\n", argv[i]);
    clocks("at first");
    unsigned char random[16];
    printf("random %d", getentropy(random, sizeof random));
    for (int i = 0; i < 16; i++) printf(" %02x", random[i]);
    puts("");
    descriptors();
    walk("/w");
    changes();
    waiting();
    input();
    nans();
    clocks("at last");
    return 0;
}
