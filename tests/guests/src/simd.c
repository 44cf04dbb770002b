// Vector code by hand: arithmetic, shuffles, comparisons, saturation, conversions, loads and stores of lanes.
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <wasm_simd128.h>

static void show(const char *name, v128_t value) {
    uint8_t bytes[16];
    wasm_v128_store(bytes, value);
    printf("%-14s", name);
    for (int i = 0; i < 16; i++) printf("%02x", bytes[i]);
    printf("\n");
}

int main(void) {
    uint8_t input[48];
    for (int i = 0; i < 48; i++) input[i] = (uint8_t)(i * 37 + 11);
    volatile int at = 3;
    v128_t a = wasm_v128_load(input + at), b = wasm_v128_load(input + 20 + at);
    show("i8x16.add", wasm_i8x16_add(a, b));
    show("add_sat_s", wasm_i8x16_add_sat(a, b));
    show("sub_sat_u", wasm_u8x16_sub_sat(a, b));
    show("avgr_u", wasm_u8x16_avgr(a, b));
    show("swizzle", wasm_i8x16_swizzle(a, wasm_v128_and(b, wasm_i8x16_splat(31))));
    show("shuffle", wasm_i8x16_shuffle(a, b, 0, 31, 1, 30, 2, 29, 3, 28, 4, 27, 5, 26, 6, 25, 7, 24));
    show("mul16", wasm_i16x8_mul(a, b));
    show("q15mulr", wasm_i16x8_q15mulr_sat(a, b));
    show("extmul", wasm_i32x4_extmul_low_i16x8(a, b));
    show("dot", wasm_i32x4_dot_i16x8(a, b));
    show("extadd", wasm_u16x8_extadd_pairwise_u8x16(a));
    show("shr_s", wasm_i64x2_shr(a, at));
    show("lt_s", wasm_i32x4_lt(a, b));
    show("gt_u", wasm_u8x16_gt(a, b));
    show("narrow", wasm_u8x16_narrow_i16x8(a, b));
    show("convert", wasm_f32x4_convert_i32x4(a));
    show("trunc_sat", wasm_i32x4_trunc_sat_f32x4(a));
    show("promote", wasm_f64x2_promote_low_f32x4(wasm_f32x4_convert_i32x4(b)));
    show("f64.mul", wasm_f64x2_mul(wasm_f64x2_splat(1.5), wasm_f64x2_make(at, -0.25)));
    show("f32.sqrt", wasm_f32x4_sqrt(wasm_f32x4_make(1, 2, 4, (float)at)));
    show("bitselect", wasm_v128_bitselect(a, b, wasm_i16x8_splat(0x0ff0)));
    show("load_lane", wasm_v128_load16_lane(input + at, b, 5));
    show("load_splat", wasm_v128_load32_splat(input + at));
    show("popcnt", wasm_i8x16_popcnt(a));
    printf("bitmask %x any %d all %d lane %d\n", wasm_i8x16_bitmask(a), wasm_v128_any_true(a), wasm_i8x16_all_true(a),
           wasm_i16x8_extract_lane(a, 5));
    return 0;
}
