//! Addresses that are shown to nobody.

use std::time::Duration;

use hubbub_tests::lab::Router;
use hubbub_tests::process::{Stage, wait_until};

use crate::{Scene, beside_others};

/// What alice's home looks like from outside and from inside.
const ADDRESSES: [[u8; 4]; 2] = [[198, 18, 1, 2], [10, 1, 0, 2]];

/// Everything that reaches or leaves bob's machine while `happen` runs.
fn captured(machine: &str, stage: &Stage, happen: impl FnOnce()) -> Vec<u8> {
    let file = stage.path("capture");
    let mut command = stage.command_in(Some(machine), "capture");
    command.arg(&file);
    let capture = stage.start("capture", command, std::process::Stdio::null());
    wait_until("the capture runs", Duration::from_secs(10), || {
        if file.exists() { Ok(()) } else { Err(String::new()) }
    });
    happen();
    capture.kill9();
    std::fs::read(file).unwrap()
}

/// Whether an address is anywhere in what was captured, as bytes or as text.
fn shows(captured: &[u8], address: [u8; 4]) -> bool {
    let text = address.map(|byte| byte.to_string()).join(".");
    let bytes = captured.windows(4).any(|window| window == address);
    bytes || captured.windows(text.len()).any(|window| window == text.as_bytes())
}

fn chat(scene: &Scene<'_>, word: &str) {
    for n in 0..5 {
        let text = format!("{word} {n}");
        scene.alice.send("@bob", &text);
        wait_until("bob hears", Duration::from_secs(15), || {
            let texts = scene.bob.texts("@alice");
            if texts.contains(&text) { Ok(()) } else { Err(format!("{texts:?}")) }
        });
        scene.bob.send("@alice", &text);
        std::thread::sleep(Duration::from_secs(1));
    }
}

#[test]
fn with_never_nothing_of_an_address_reaches_the_peer_and_the_hub_carries_everything() {
    let Some(_turn) = beside_others() else { return };
    let stage = Stage::new();
    let mut scene = Scene::set(&stage, "never", [Router::Port, Router::Port]);
    scene.alice.cli(&["settings", "addresses", "never"]).fine();
    let bobs = scene.lab.place("b");
    let quiet = captured(&bobs, &stage, || {
        scene.start_over();
        chat(&scene, "hidden");
    });
    assert!(quiet.len() > 10_000, "{} bytes are no capture", quiet.len());
    for address in ADDRESSES {
        assert!(!shows(&quiet, address), "{address:?} was shown");
    }
    let path = scene.bob.path("alice").unwrap();
    assert_eq!(path["path"], "relay");
    assert!(path["why_not"].as_str().unwrap().contains("shows you no address"), "{path}");
    // The same capture sees it where it is shown.
    scene.alice.cli(&["settings", "addresses", "contacts"]).fine();
    let shown = captured(&bobs, &stage, || {
        scene.start_over();
        chat(&scene, "shown");
    });
    assert!(shows(&shown, ADDRESSES[0]));
}
