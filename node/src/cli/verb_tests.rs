//! Verbs against a pretend node.
