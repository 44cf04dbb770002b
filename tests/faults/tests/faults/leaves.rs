//! Functions that do not come to call anything: who traps stands in the backtrace with its caller, whatever it was that trapped.

use sconce_faults::{Guest, for_each_style};

#[test]
fn what_traps_is_in_the_backtrace() {
    let bodies = [
        "(i32.div_u (i32.const 1) (local.get 0))",
        "(i32.div_s (i32.const 1) (local.get 0))",
        "(i32.rem_u (i32.const 1) (local.get 0))",
        "(i32.rem_s (i32.const 1) (local.get 0))",
        "(i32.wrap_i64 (i64.div_u (i64.const 1) (i64.extend_i32_u (local.get 0))))",
        "(i32.wrap_i64 (i64.rem_s (i64.const 1) (i64.extend_i32_u (local.get 0))))",
        "(i32.trunc_f32_s (f32.const nan))",
        "(i32.trunc_f64_u (f64.const inf))",
        "(i32.wrap_i64 (i64.trunc_f32_u (f32.const nan)))",
        "(i32.wrap_i64 (i64.trunc_f64_s (f64.const inf)))",
        "(i32.load (i32.const -1))",
        "(unreachable)",
        "(drop (ref.as_non_null (ref.null func))) (i32.const 1)",
        "(call_indirect (result i32) (i32.const 7))",
    ];
    for body in bodies {
        let text = format!(
            r#"(module (memory 1) (table 1 funcref)
            (func (export "run") (result i32) (call $leaf (i32.const 0)))
            (func $leaf (param i32) (result i32) {body}))"#
        );
        for_each_style(|engine| {
            let error = Guest::new(engine, &text).try_call("run", &[]).unwrap_err();
            let frames = error.backtrace().expect("a trap has one").frames.len();
            assert_eq!(frames, 2, "{body}: {error}");
        });
    }
}
