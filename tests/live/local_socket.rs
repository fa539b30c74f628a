//! Programs at a node's local socket that ask much and read little.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use hubbub_tests::hub::Hub;
use hubbub_tests::person::Person;
use hubbub_tests::process::Stage;
use serde_json::{Value, json};

/// More requests than sockets and queues on the way could hold.
const MANY: u64 = 200_000;

/// A request whose answer is long, too.
fn request(id: u64) -> Vec<u8> {
    let padding = "x".repeat(100);
    let resolve = json!({ "id": id, "query": { "resolve": { "target": padding } } });
    format!("{resolve}\n").into_bytes()
}

#[test]
fn whoever_asks_and_does_not_read_waits_and_is_told_everything_once_it_reads() {
    let stage = Stage::new();
    let hub = Hub::start(&stage);
    let alice = Person::join(&stage, &hub, "alice");
    let mut stream = UnixStream::connect(alice.profile().join("api.sock")).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut asked = 0;
    let mut rest = Vec::new();
    'asking: while asked < MANY {
        rest = request(asked);
        while !rest.is_empty() {
            match stream.write(&rest) {
                Ok(written) => drop(rest.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break 'asking,
                Err(error) => panic!("{error}"),
            }
        }
        asked += 1;
    }
    assert!(asked < MANY, "the node took everything and keeps the answers");
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let ids = std::thread::scope(|scope| {
        let reading = scope.spawn(move || {
            let mut ids: Vec<u64> = Vec::new();
            while let Some(Ok(line)) = lines.next() {
                let answer: Value = serde_json::from_str(&line).unwrap();
                ids.push(answer["id"].as_u64().unwrap());
            }
            ids.sort_unstable();
            ids
        });
        stream.set_write_timeout(None).unwrap();
        stream.write_all(&rest).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        reading.join().unwrap()
    });
    assert_eq!(ids, (0..=asked).collect::<Vec<_>>());
}

#[test]
fn whoever_asks_and_closes_its_end_at_once_still_gets_every_answer() {
    let stage = Stage::new();
    let hub = Hub::start(&stage);
    let alice = Person::join(&stage, &hub, "alice");
    for _ in 0..100 {
        let mut stream = UnixStream::connect(alice.profile().join("api.sock")).unwrap();
        for id in 0..8 {
            stream.write_all(&request(id)).unwrap();
        }
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(BufReader::new(stream).lines().count(), 8);
    }
}
