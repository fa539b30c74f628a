//! Claims about the engine.
