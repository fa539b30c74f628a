//! The loop on a store that fails, and when it is told to stop. No network.

use std::sync::Arc;

use hubbub_shared::crypto::{Identity, Secret32};
use hubbub_shared::group::control::ControlLog;
use hubbub_shared::time::Millis;

use super::*;
use crate::intake::Intake;
use crate::relay::{Origin, RelayConfig};
use crate::store::MemoryStore;

fn opened(mut store: MemoryStore, at: Timestamp) -> (Box<dyn Store>, Relay) {
    let hub = Identity::from_seed(Secret32::from_bytes([1; 32]));
    let mut rng = crate::tls::os_rng().unwrap();
    let (_, lobby_genesis) = ControlLog::create_lobby(&hub, at, &mut rng);
    let origin = Origin { hub: hub.hub_id(), store: store.id(), lobby_genesis };
    let snapshot = store.load().unwrap();
    let relay = Relay::new(RelayConfig::default(), origin, snapshot, at).unwrap();
    (Box::new(store), relay)
}

/// A server on `store`; when it must open one again it gets an empty one, at the second try.
fn server(store: MemoryStore, stop: watch::Receiver<bool>) -> Server {
    let tries = std::sync::atomic::AtomicU32::new(0);
    let open: Arc<Open> =
        Arc::new(move |at| match tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => Err(StoreError("disk full".to_owned())),
            _ => Ok(opened(MemoryStore::new([2; 16]), at)),
        });
    let dir = tempfile::tempdir().unwrap();
    let files = Cache::open(dir.path(), crate::config::Files::default().bounds()).unwrap();
    Server::new(opened(store, now()), open, (Journal::default(), Arc::new(files)), stop)
}

async fn ask_invite(intake: &Intake, n: u8) -> oneshot::Receiver<()> {
    let (done, durable) = oneshot::channel();
    let ask = Ask::Invite { token_hash: [n; 32], uses: 1, ttl: Millis::days(1), done };
    intake.send(Arrival::Ask(ask)).await.unwrap();
    durable
}

#[tokio::test]
async fn what_could_not_be_stored_is_not_answered_and_the_hub_goes_on() {
    let (intake, arrivals) = Intake::new();
    let (stop, stopping) = watch::channel(false);
    let mut failing = MemoryStore::new([1; 16]);
    failing.fail_next_commit();
    let running = tokio::spawn(server(failing, stopping).drive(arrivals));
    assert!(ask_invite(&intake, 1).await.await.is_err());
    assert!(ask_invite(&intake, 2).await.await.is_ok());
    stop.send(true).unwrap();
    running.await.unwrap();
}

#[tokio::test]
async fn what_arrived_before_a_stop_is_stored_before_the_end() {
    let (intake, arrivals) = Intake::new();
    let (stop, stopping) = watch::channel(false);
    let mut asked = Vec::new();
    for n in 0..100 {
        asked.push(ask_invite(&intake, n).await);
    }
    stop.send(true).unwrap();
    server(MemoryStore::new([1; 16]), stopping).drive(arrivals).await;
    for durable in asked {
        assert!(durable.await.is_ok());
    }
    assert!(intake.send(Arrival::Input(Input::Closed { conn: ConnId(1) }, None)).await.is_err());
}
