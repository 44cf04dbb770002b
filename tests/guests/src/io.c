// Positions in a file: seek, pread, pwrite, append, vectors, truncation, sparse ends.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc < 2 || chdir(argv[1]) < 0) return 2;
    int fd = open("io.bin", O_CREAT | O_RDWR | O_TRUNC, 0644);
    if (fd < 0) return 3;
    char text[64] = {0};
    struct iovec out[3] = {{"abc", 3}, {"", 0}, {"defghij", 7}};
    printf("writev %zd\n", writev(fd, out, 3));
    printf("seek set %lld\n", (long long)lseek(fd, 4, SEEK_SET));
    printf("read %zd", read(fd, text, 3));
    printf(" [%s]\n", text);
    printf("seek cur %lld\n", (long long)lseek(fd, -2, SEEK_CUR));
    printf("seek end %lld\n", (long long)lseek(fd, -1, SEEK_END));
    printf("seek before start %lld", (long long)lseek(fd, -1, SEEK_SET));
    printf(" %s\n", strerror(errno));
    memset(text, 0, sizeof text);
    printf("pread %zd", pread(fd, text, 4, 2));
    printf(" [%s]\n", text);
    printf("pread past end %zd\n", pread(fd, text, 4, 100));
    printf("pwrite %zd\n", pwrite(fd, "XY", 2, 5));
    printf("place unmoved %lld\n", (long long)lseek(fd, 0, SEEK_CUR));
    lseek(fd, 0, SEEK_SET);
    char a[4] = {0}, b[16] = {0};
    struct iovec in[2] = {{a, 3}, {b, 15}};
    printf("readv %zd", readv(fd, in, 2));
    printf(" [%s] [%s]\n", a, b);
    printf("truncate %d\n", ftruncate(fd, 20));
    struct stat s;
    fstat(fd, &s);
    printf("size %lld\n", (long long)s.st_size);
    printf("zero %zd", pread(fd, text, 1, 15));
    printf(" %d\n", text[0]);
    close(fd);
    fd = open("io.bin", O_WRONLY | O_APPEND);
    lseek(fd, 0, SEEK_SET);
    printf("append %zd\n", write(fd, "end", 3));
    printf("read refused %zd", read(fd, text, 1));
    printf(" %s\n", errno == EBADF || errno == ENOTCAPABLE ? "as it must be" : strerror(errno));
    fstat(fd, &s);
    printf("size %lld\n", (long long)s.st_size);
    printf("sync %d %d\n", fsync(fd), fdatasync(fd));
    close(fd);
    printf("closed %zd", write(fd, "x", 1));
    printf(" %s\n", strerror(errno));
    printf("unlink %d\n", unlink("io.bin"));
    return 0;
}
