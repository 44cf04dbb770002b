//! The script runner.
