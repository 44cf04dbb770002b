// File tree operations below the preopened directory given as first argument, each with the errno it must give.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *outcome(int result) { return result < 0 ? strerror(errno) : "ok"; }
// Leaving the directory is refused as EPERM or as ENOTCAPABLE, which WASI has for it.
static const char *refused(int result) { return result < 0 && (errno == EPERM || errno == ENOTCAPABLE) ? "refused" : outcome(result); }
#define OUT(path) printf("out %-42s %s\n", path, refused(open(path, O_RDONLY)))
#define SAY(call) printf("%-46s %s\n", #call, outcome(call))

static void put(const char *path, const char *text) {
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644);
    printf("put %-42s %s\n", path, outcome(fd));
    if (fd < 0) return;
    printf("  wrote %zd\n", write(fd, text, strlen(text)));
    close(fd);
}

static void show(const char *path) {
    char text[64] = {0};
    int fd = open(path, O_RDONLY);
    printf("show %-41s %s\n", path, outcome(fd));
    if (fd < 0) return;
    ssize_t length = read(fd, text, sizeof text - 1);
    printf("  read %zd [%s]\n", length, text);
    close(fd);
}

static void kind(const char *path) {
    struct stat s;
    int result = lstat(path, &s);
    printf("kind %-41s %s", path, outcome(result));
    if (result == 0) {
        printf(" %s", S_ISDIR(s.st_mode) ? "directory" : S_ISLNK(s.st_mode) ? "symlink" : S_ISREG(s.st_mode) ? "file" : "other");
        if (S_ISREG(s.st_mode)) printf(" size %lld links %lld", (long long)s.st_size, (long long)s.st_nlink);
    }
    printf("\n");
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    if (chdir(argv[1]) < 0) return 3;
    SAY(mkdir("d", 0755));
    SAY(mkdir("d", 0755));
    SAY(mkdir("absent/d", 0755));
    put("d/one", "first");
    put("d/two", "second");
    put("absent/file", "lost");
    show("d/one");
    show("d/absent");
    kind("d");
    kind("d/one");
    SAY(link("d/one", "d/hard"));
    kind("d/hard");
    SAY(symlink("one", "d/soft"));
    kind("d/soft");
    show("d/soft");
    char target[32] = {0};
    printf("readlink %zd [%s]\n", readlink("d/soft", target, sizeof target - 1), target);
    SAY(rename("d/two", "d/three"));
    SAY(rename("d/two", "d/four"));
    show("d/three");
    SAY(truncate("d/three", 3));
    show("d/three");
    SAY(truncate("d/three", 8));
    kind("d/three");
    SAY(rmdir("d"));
    SAY(unlink("d"));
    SAY(rmdir("d/one"));
    SAY(open("d/one", O_CREAT | O_EXCL | O_WRONLY, 0644));
    SAY(open("d/one", O_DIRECTORY | O_RDONLY));
    SAY(open("d/soft", O_NOFOLLOW | O_RDONLY));
    OUT("../outside");
    OUT("d/../../outside");
    SAY(symlink("../..", "d/out"));
    OUT("d/out/outside");
    SAY(unlink("d/one"));
    SAY(unlink("d/hard"));
    SAY(unlink("d/soft"));
    SAY(unlink("d/out"));
    SAY(unlink("d/three"));
    SAY(rmdir("d"));
    kind("d");
    return 0;
}
