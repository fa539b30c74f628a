//! Two nodes, end to end.
