//! WASI preview 1 on the kernel's own calls.
