// Prints each argument and each environment variable, one a line, with brackets that show empty ones.
#include <stdio.h>

extern char **environ;

int main(int argc, char **argv) {
    for (int i = 0; i < argc; i++) printf("arg %d [%s]\n", i, argv[i]);
    for (char **entry = environ; entry && *entry; entry++) printf("env [%s]\n", *entry);
    return 0;
}
