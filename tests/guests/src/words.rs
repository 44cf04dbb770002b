//! Counts the words of standard input, the most frequent first; with an argument, panics in the middle. What Rust's standard
//! library makes of WASI: arguments, buffered input, formatting, hashing with random keys, a panic that ends in a trap.

use std::collections::HashMap;
use std::io::BufRead;

#[inline(never)]
fn nth<'a>(counts: &[(&'a String, &'a usize)], at: usize) -> &'a str {
    counts[at].0
}

fn main() {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for line in std::io::stdin().lock().lines() {
        for word in line.expect("text").split_whitespace() {
            *counts.entry(word.to_lowercase()).or_default() += 1;
        }
    }
    let mut sorted: Vec<_> = counts.iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    for (word, count) in &sorted {
        println!("{count:>4} {word}");
    }
    if std::env::args().len() > 1 {
        println!("{}", nth(&sorted, 1000));
    }
}
