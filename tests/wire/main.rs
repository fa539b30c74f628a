//! The bytes of version 1, held to what an independent implementation makes of the same text.

mod frames;
mod vectors;
