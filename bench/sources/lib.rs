//! Nothing: this manifest exists for its dependencies.
