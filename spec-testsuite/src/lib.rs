//! The official suite over every compiler and tier.
