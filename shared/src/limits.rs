//! Every bound both sides rely on, with its reason. Nothing in the protocol grows without one.
