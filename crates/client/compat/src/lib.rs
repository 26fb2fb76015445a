//! Crates that take a client: see `tests/`.
