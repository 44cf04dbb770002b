// Makes many files, reads the directory in one go and again from remembered places (cookies), and removes everything.
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES = 400 };

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

int main(int argc, char **argv) {
    if (argc < 2 || chdir(argv[1]) < 0) return 2;
    mkdir("many", 0755);
    char path[96];
    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "many/file-with-a-rather-long-name-%03d", i);
        close(open(path, O_CREAT | O_WRONLY, 0644));
    }
    DIR *dir = opendir("many");
    static char *names[FILES + 2];
    static long places[FILES + 2];
    int count = 0;
    for (;;) {
        long place = telldir(dir);
        struct dirent *entry = readdir(dir);
        if (!entry || count == FILES + 2) break;
        places[count] = place;
        names[count++] = strdup(entry->d_name);
    }
    printf("entries %d\n", count);
    int again = 0;
    for (int i = count - 1; i >= 0; i -= 37) {
        seekdir(dir, places[i]);
        struct dirent *entry = readdir(dir);
        if (entry && !strcmp(entry->d_name, names[i])) again++;
    }
    printf("found again %d of %d\n", again, (count - 1) / 37 + 1);
    rewinddir(dir);
    int rewound = 0;
    while (readdir(dir)) rewound++;
    printf("after rewind %d\n", rewound);
    closedir(dir);
    qsort(names, count, sizeof *names, by_name);
    printf("%s %s\n%s\n%s\n", names[0], names[1], names[2], names[count - 1]);
    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "many/file-with-a-rather-long-name-%03d", i);
        unlink(path);
    }
    printf("rmdir %d\n", rmdir("many"));
    return 0;
}
