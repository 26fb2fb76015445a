//! The engine's behaviours, one by one: the test plays the driver.

mod deadlines;
mod harness;
mod limits;
mod lookups;
mod pausing;
mod reuse;
