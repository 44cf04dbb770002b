// A tiny interpreter: prompts on a terminal only, adds the numbers of each line, ends at "quit" or the end of input.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void) {
    int terminal = isatty(0) && isatty(1);
    printf("stdin %s, stdout %s\n", isatty(0) ? "terminal" : "no terminal", isatty(1) ? "terminal" : "no terminal");
    char line[256];
    for (;;) {
        if (terminal) {
            fputs("> ", stdout);
            fflush(stdout);
        }
        if (!fgets(line, sizeof line, stdin)) break;
        if (!strncmp(line, "quit", 4)) {
            puts("bye");
            return 0;
        }
        long sum = 0;
        for (char *word = strtok(line, " \n"); word; word = strtok(NULL, " \n")) sum += atol(word);
        printf("= %ld\n", sum);
        fflush(stdout);
    }
    puts("end");
    return 0;
}
