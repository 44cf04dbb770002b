//! What compiling costs, on one thread: `cargo run --release -p sconce-lightbeam --example compile_cost --
//! FILE...` prints, for each module, nanoseconds a byte of code for validation alone, for compiling what is
//! valid, and for both together, as the engine does it; and bytes of machine code a byte of wasm.

use sconce_environ::compile::FunctionInput;
use sconce_environ::compile::{BoundsStyle, CallStyle, CompiledFunction, Compiler};
use sconce_environ::decode::{Features, decode};
use sconce_environ::layout::VmLayout;
use sconce_lightbeam::LightbeamCompiler;
use sconce_test_support::settings;
use std::time::Instant;

const ROUNDS: usize = 5;

fn main() {
    let settings = settings(BoundsStyle::Guard, CallStyle::Direct);
    let compiler = LightbeamCompiler::new(&settings).expect("a compiler for the host");
    println!("{:>12} {:>10} {:>10} {:>10} {:>12}", "code bytes", "validate", "compile", "together", "code/wasm");
    for file in std::env::args().skip(1) {
        let bytes = std::fs::read(&file).expect("a readable file");
        let decoded = decode(&bytes, Features::SUPPORTED).expect("a module");
        let layout = VmLayout::new(&decoded.module);
        let code: u64 = decoded.bodies.values().map(|range| range.len() as u64).sum();
        let (mut validate, mut compile, mut together, mut out) = (f64::MAX, f64::MAX, f64::MAX, 0);
        let input = |func| FunctionInput::of(&decoded, &bytes, &layout, func);
        let mut function = CompiledFunction::default();
        for _ in 0..ROUNDS {
            let start = Instant::now();
            let mut validator = decoded.body_validator(&bytes);
            for func in decoded.bodies.keys() {
                validator.validate(func).expect("a valid module");
            }
            validate = validate.min(start.elapsed().as_nanos() as f64);
            let start = Instant::now();
            out = 0;
            for func in decoded.bodies.keys() {
                compiler.compile_into(&input(func), &mut function).expect("a function within limits");
                out += function.code.len();
            }
            compile = compile.min(start.elapsed().as_nanos() as f64);
            let start = Instant::now();
            let mut validator = decoded.body_validator(&bytes);
            for func in decoded.bodies.keys() {
                let done = compiler.validate_and_compile_into(&mut validator, &input(func), &mut function);
                done.expect("a valid module within limits");
            }
            together = together.min(start.elapsed().as_nanos() as f64);
        }
        let per = |nanoseconds: f64| nanoseconds / code as f64;
        println!(
            "{code:>12} {:>10.2} {:>10.2} {:>10.2} {:>12.2}  {file}",
            per(validate),
            per(compile),
            per(together),
            out as f64 / code as f64
        );
    }
}
