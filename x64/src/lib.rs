//! x86-64 encoder, internal ABI, trampolines and stubs as bytes.
