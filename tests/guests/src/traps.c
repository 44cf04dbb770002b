// One way to trap an argument, below a chain of calls; built with debug information, and without a libc so that the
// debug information is this file's alone.
#define INT_MIN (-2147483647 - 1)
#define WASI(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name)))

typedef unsigned long size_t;
struct span {
    const void *start;
    size_t length;
};
WASI(fd_write) int fd_write(int fd, const struct span *spans, size_t count, size_t *written);
WASI(args_sizes_get) int args_sizes_get(size_t *count, size_t *bytes);
WASI(args_get) int args_get(char **arguments, char *bytes);
WASI(proc_exit) _Noreturn void proc_exit(int code);

static volatile int zero = 0;
typedef int (*unary)(int);
typedef long long (*other)(long long, double);

static int same(const char *a, const char *b) {
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

static void say(const char *text) {
    size_t length = 0, written;
    while (text[length]) length++;
    struct span spans[2] = {{text, length}, {"\n", 1}};
    fd_write(1, spans, 2, &written);
}

static long long other_function(long long a, double b) { return a + (long long)b; }
static volatile other table_entry = other_function;

// Uses the runtime's call stack only, never the one that compilers keep in linear memory.
__attribute__((noinline)) static int endless(int depth) { return endless(depth + 1) + zero; }

__attribute__((noinline)) static int innermost(const char *kind) {
    if (same(kind, "unreachable")) __builtin_trap();
    if (same(kind, "divide")) return 7 / zero;
    if (same(kind, "overflow")) return (INT_MIN + zero) / (zero - 1);
    if (same(kind, "load")) return *(volatile int *)(0xfffffffcu + (unsigned)zero);
    if (same(kind, "store")) return *(volatile int *)(0xfffffffcu + (unsigned)zero) = 1;
    if (same(kind, "null")) return ((unary)zero)(1);
    if (same(kind, "signature")) return ((unary)table_entry)(1);
    if (same(kind, "index")) return ((unary)(100000 + zero))(1);
    if (same(kind, "recursion")) return endless(zero);
    if (same(kind, "exit")) proc_exit(zero + 7);
    return 0;
}

__attribute__((noinline)) static int middle(const char *kind) {
    int result = innermost(kind);
    say("back");
    return result;
}

__attribute__((noinline)) static int outer(const char *kind) {
    say(kind);
    return middle(kind) + 1;
}

__attribute__((export_name("_start"))) void start(void) {
    static char *arguments[8];
    static char bytes[256];
    size_t count, length;
    if (args_sizes_get(&count, &length) || count > 8 || length > sizeof bytes) proc_exit(2);
    args_get(arguments, bytes);
    proc_exit(outer(count > 1 ? arguments[1] : "none") - 1);
}
