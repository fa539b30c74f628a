//! What the screen shows, drawn on a pretend terminal; and what keys do to the state.

mod acting;
mod filing;
mod picturing;
mod scene;
mod screens;
