//! Memories, tables, instances, code memory, traps, activations.
