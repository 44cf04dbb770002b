//! How compiling grows with a function: `cargo run --release -p sconce-lightbeam --example growth` prints,
//! for each shape and for one size after the other, each twice the one before, nanoseconds a byte of body and
//! bytes of code a byte of body. A column that grows shows work that is not linear.

use sconce_environ::compile::Compiler;
use sconce_lightbeam::LightbeamCompiler;
use sconce_test_support::extremes::guard;
use sconce_test_support::{Input, growth};
use std::time::Instant;

const ROUNDS: usize = 5;
const SIZES: [usize; 5] = [500, 1_000, 2_000, 4_000, 8_000];

fn main() {
    let compiler = LightbeamCompiler::new(&guard()).expect("a compiler for the host");
    println!("ns a byte of body, and bytes of code a byte of body");
    println!("{:>34} {}", "", SIZES.map(|n| format!("{n:>14}")).concat());
    for (name, shape) in growth::SHAPES {
        print!("{name:>34} ");
        for n in SIZES {
            let input = Input::text(&shape(n));
            let function = input.functions().next().expect("a function");
            let (mut best, mut code) = (f64::MAX, 0);
            for _ in 0..ROUNDS {
                let start = Instant::now();
                code = compiler.compile(&function).expect("a function within limits").code.len();
                best = best.min(start.elapsed().as_nanos() as f64);
            }
            let bytes = function.body.len() as f64;
            print!(" {:>7.1} {:>5.2}", best / bytes, code as f64 / bytes);
        }
        println!();
    }
}
