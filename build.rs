//! What the linker is told.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The cache keeps code under the id of the build that compiled it. Not every linker writes one without being asked.
    println!("cargo::rustc-link-arg-bins=-Wl,--build-id=sha1");
}
