// Random bytes: asked for in odd sizes, never all the same, and not the same twice.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void) {
    unsigned char first[256] = {0}, second[256] = {0};
    printf("getentropy %d %d\n", getentropy(first, 256), getentropy(second, 256));
    int same = 1;
    for (int i = 1; i < 256; i++) same &= first[i] == first[0];
    printf("all the same %d, repeated %d\n", same, !memcmp(first, second, 256));
    return 0;
}
