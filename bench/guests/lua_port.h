// Included before every file of Lua: WASI has no signals and no long jumps. The script raises no error.
#include <stdlib.h>
#define _SETJMP_H
#define l_signalT int
#define LUAI_THROW(L, c) abort()
#define LUAI_TRY(L, c, a) { a }
#define luai_jmpbuf int
#define luai_makeseed(L) 0x5eed
