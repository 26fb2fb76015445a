//! HTTP/2 in the simulator: many transfers by prior knowledge, on connections to servers that follow scripts drawn from the seed.
//!
//! What must hold: each transfer ends, once, and its handler hears nothing of it while it is paused, or after; the servers find
//! nothing wrong with the client; nothing is processed twice that must not be; where all behave, all succeed; the loop does not
//! spin; nothing is left over.

mod app;
mod script;
mod world;

use world::World;

/// How many transfers succeeded, and how many failed.
pub(crate) fn play(seed: u64, trace: bool) -> (u64, u64) {
    let mut world = World::new(seed, trace);
    world.run();
    (world.succeeded, world.failed)
}
