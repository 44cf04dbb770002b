// Integer and float corner cases, through libc's formatting and mathematics.
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    volatile int64_t big = INT64_MAX;
    volatile uint64_t huge = UINT64_MAX;
    volatile int32_t small = INT32_MIN;
    volatile double third = 1.0 / 3.0;
    volatile float tiny = 1.17549435e-38f;
    printf("%" PRId64 " %" PRIu64 " %" PRId32 "\n", big, huge, small);
    printf("%" PRId64 " %" PRIu64 "\n", big / 1000003, huge % 1000003);
    printf("%d %d %d\n", __builtin_clzll(1ull << (big & 31)), __builtin_ctz(small), __builtin_popcountll(huge));
    printf("%" PRIu64 " %" PRIu32 "\n", huge << (big & 63), (uint32_t)small >> 31);
    printf("%.17g %a %.9g %a\n", third, third, tiny, tiny / 2);
    printf("%.15g %.15g %.15g %.15g\n", sin(third), exp(third), pow(third, 2.5), log(third));
    printf("%g %g %g %g %g\n", floor(-2.5), ceil(-2.5), trunc(-2.5), nearbyint(-2.5), nearbyint(3.5));
    printf("%g %g %g\n", fmin(third, NAN), copysign(0.0, -1.0), sqrt(2.0 * third));
    printf("%f %f %d\n", INFINITY, -INFINITY, isnan(third - third + NAN));
    printf("%d %u %" PRId64 "\n", (int)-third * 10, (unsigned)(third * 1e9), (int64_t)(third * 1e18));
    printf("%.10f %ld %llx\n", strtod("2.718281828459045235", NULL), strtol("-7fffffff", NULL, 16), strtoull("ffffffffffffffff", NULL, 16));
    return 0;
}
