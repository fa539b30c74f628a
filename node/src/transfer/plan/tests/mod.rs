//! What the plan promises, in a pretend world of sources, lines, liars and leavers.

mod ends;
mod fairness;
mod large;
mod sources;
mod storm;
mod swarm;
mod world;
