//! After a commit that failed: all of it is forgotten, and the engine built anew from the store.

use hubbub_shared::crypto::Identity;
use hubbub_shared::id::HubId;
use rand_core::Rng;

use super::super::failure::from_store;
use super::super::now;
use super::Driver;
use crate::api::{ApiError, Code, Event};
use crate::engine::Engine;
use crate::store::StoreError;

impl Driver {
    /// Nothing that was not committed has happened: forget it, tell whoever waits, start anew.
    pub(super) fn fail(&mut self, error: &StoreError) {
        tracing::error!("cannot store: {error}");
        self.engine = None;
        self.frames = None;
        self.ways.uncommitted.failed();
        self.schedule_retry();
        let refusal = from_store(error);
        for (_, answer) in std::mem::take(&mut self.waiting) {
            // Whoever asked may have left.
            answer.send(Err(refusal.clone())).ok();
        }
        let explanation = format!("{}; {}", refusal.what, refusal.hint);
        self.tell(Event::Warning { reason: "store".to_owned(), explanation });
    }

    fn schedule_retry(&mut self) {
        self.retry_at = now() + self.backoff.next(&mut self.owned.rng);
    }

    /// After a failed commit: builds the engine, and as much later again gives it what peers
    /// carried. On a disk that stays full people can look at what they have in between.
    pub(super) fn recover(&mut self) {
        if !self.ways.uncommitted.owes() || self.retry_at > now() {
            return;
        }
        match &mut self.engine {
            Some(engine) => self.ways.give_again(engine, now()),
            None => {
                // What cannot be read either is tried again like this.
                self.rebuild().ok();
                self.schedule_retry();
            }
        }
    }

    pub(super) fn rebuild(&mut self) -> Result<(), ApiError> {
        let loaded = self.owned.store.load().map_err(|error| from_store(&error))?;
        let mut seed = [0; 32];
        self.owned.rng.fill_bytes(&mut seed);
        let identity = Identity::from_seed(self.owned.identity.seed().duplicate());
        let hub: HubId = self.owned.hub_file.hub();
        let engine = Engine::new(identity, hub, loaded, seed, now());
        let damaged = |error: &dyn std::fmt::Display| {
            ApiError::new(Code::Profile, error.to_string(), "put back a copy of the profile")
        };
        let mut engine = engine.map_err(|error| damaged(&error))?;
        engine.configure(self.owned.settings, now());
        engine.configure_files(self.owned.file_settings.clone());
        engine.know_usual_folder(self.files.usual());
        if engine.knows_all_files() {
            self.files.sweep(engine.own_files());
        }
        if self.files.connected() {
            engine.handle_movers(true, now());
        }
        self.ways.look_again(&engine, &self.owned.link, now());
        self.ways.introduce(&mut engine, now());
        self.engine = Some(engine);
        Ok(())
    }
}
