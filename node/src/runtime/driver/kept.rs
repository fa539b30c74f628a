//! What the loop reads and keeps beside the engine: settings in their file, messages of the history
//! that the engine asks for, what becomes of the nickname wished for.

use super::super::now;
use super::super::profile::from_config;
use super::Driver;
use crate::api::{ApiError, Command, Event, Reply};
use crate::config::NodeConfig;
use crate::engine::RECALLED;

impl Driver {
    /// Settings stand in a file first: they hold at the next start, whatever happens here.
    pub(super) fn keep_settings(&mut self, command: &Command) -> Result<(), ApiError> {
        match command {
            Command::Set(choice) => {
                let settings = choice.over(self.owned.settings);
                NodeConfig::write(&self.owned.config, &settings)
                    .map_err(|error| from_config(&error))?;
                self.owned.settings = settings;
                if self.engine.is_none() {
                    self.ways.hide(&self.owned.link, now());
                }
            }
            Command::SetFiles(choice) => {
                let settings = choice.clone().over(self.owned.file_settings.clone());
                NodeConfig::write(&self.owned.config, &settings)
                    .map_err(|error| from_config(&error))?;
                self.owned.file_settings = settings;
            }
            _ => {}
        }
        Ok(())
    }

    /// Gives the engine what it asked of the history; whether it asked for anything.
    pub(super) fn recall(&mut self) -> bool {
        let recalls = std::mem::take(&mut self.recalls);
        let asked = !recalls.is_empty();
        for recall in recalls {
            let Some(engine) = &mut self.engine else { break };
            match self.owned.store.recall(&recall.conversation, &recall.ranges, RECALLED) {
                Ok(found) => engine.handle_recalled(recall, found, now()),
                // Whoever lacks something asks again.
                Err(error) => tracing::error!("cannot read own messages back: {error}"),
            }
        }
        self.gather() || asked
    }

    /// The same for what somebody who came to a group is to be told.
    fn gather(&mut self) -> bool {
        let gathers = std::mem::take(&mut self.gathers);
        let asked = !gathers.is_empty();
        for gather in gathers {
            let Some(engine) = &mut self.engine else { break };
            match self.owned.store.gather(&gather) {
                Ok(found) => engine.handle_gathered(&gather, found, now()),
                // The engine asks again in a while.
                Err(error) => tracing::error!("cannot read a group's past: {error}"),
            }
        }
        asked
    }

    pub(super) fn wish_answered(&mut self, answer: Result<Reply, ApiError>) {
        match answer {
            Ok(_) => {
                if let Err(error) = self.owned.hub_file.granted() {
                    tracing::warn!("cannot note the nickname: {error}");
                }
            }
            Err(error) => {
                let explanation = format!("{}; {}", error.what, error.hint);
                self.tell(Event::Warning { reason: "nickname".to_owned(), explanation });
            }
        }
    }
}
