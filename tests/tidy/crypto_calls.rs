//! Calls with a laxer twin are made the strict way, in one place.
//!
//! * a signature is checked by `verify_strict`: the plain form accepts keys of small order
//! * a Diffie-Hellman result is checked for zero where it is made, so it is made in one place
//! * a frame is read by `wire::codec`, which bounds depth and refuses what is left over
//! * no part of the shipped code is switched off for fuzzing

use crate::tree::{Finding, Source, Tree};

const CRYPTO: &str = "shared/src/crypto";
/// Proves by a differential test that its check is as strict.
const AS_STRICT: &str = "shared/src/crypto/checked_key";
const CODEC: &str = "shared/src/wire/codec";
const LAX_READERS: &[&str] =
    &["from_slice", "from_read", "from_read_ref", "Deserializer", "decode::from_slice"];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.shipped() {
        findings.extend(lax_signatures(source));
        findings.extend(lax_readers(source));
        let fuzzing = source.lexed.find(&["fuzzing"]).map(|at| source.lexed.line(at));
        findings.extend(fuzzing.map(|line| source.finding(line, "shipped code knows no fuzzer")));
    }
    findings.extend(second_exchange(tree));
    findings
}

fn lax_signatures(source: &Source) -> Vec<Finding> {
    if !source.is_in(CRYPTO) || source.is_in(AS_STRICT) {
        return Vec::new();
    }
    let calls = source.lexed.find(&[".", "verify", "("]).map(|at| source.lexed.line(at + 1));
    let laxer = [
        "aws_lc_rs::signature::ED25519",
        "aws_lc_rs::signature::ParsedPublicKey",
        "aws_lc_rs::signature::UnparsedPublicKey",
        "ed25519_dalek::Verifier",
        "ed25519_dalek::verify_batch",
    ];
    let names = source.mentions.iter().filter(|m| laxer.iter().any(|path| m.is_under(path)));
    let lines = calls.chain(names.map(|m| m.line));
    lines.map(|line| source.finding(line, "check signatures with `verify_strict`")).collect()
}

fn lax_readers(source: &Source) -> Vec<Finding> {
    if source.is_in(CODEC) {
        return Vec::new();
    }
    let reads = |path: &str| LAX_READERS.iter().any(|name| path == format!("rmp_serde::{name}"));
    let named = source.mentions.iter().filter(|m| reads(&m.text()));
    named.map(|m| source.finding(m.line, "read MessagePack with `wire::codec`")).collect()
}

/// Every Diffie-Hellman call but the first.
fn second_exchange(tree: &Tree) -> Vec<Finding> {
    let calls = tree.shipped().flat_map(|source| {
        let at = source.lexed.find(&[".", "diffie_hellman", "("]);
        at.map(|at| source.finding(source.lexed.line(at + 1), "a second place that exchanges keys"))
    });
    calls.skip(1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Tree::of(&[(path, text)])).into_iter().map(|f| f.line).collect()
    }

    #[test]
    fn a_permissive_signature_check_is_found() {
        let text = "//! A.\nuse ed25519_dalek::Verifier;\nfn f() {\n    key.verify(m, &s)\n}\n";
        assert_eq!(lines("shared/src/crypto/identity.rs", text), [4, 2]);
        let strict = "//! A.\nfn f() {\n    key.verify_strict(m, &s)\n}\n";
        assert_eq!(lines("shared/src/crypto/identity.rs", strict), []);
    }

    #[test]
    fn a_frame_read_outside_the_codec_is_found() {
        let text = "//! A.\nfn f() {\n    rmp_serde::from_slice::<A>(b)\n}\n";
        assert_eq!(lines("hub/src/store/record.rs", text), [3]);
        assert_eq!(lines("shared/src/wire/codec.rs", text), []);
    }

    #[test]
    fn a_switch_for_fuzzers_is_found() {
        let text = "//! A.\nfn f() {\n    if cfg!(fuzzing) { return; }\n}\n";
        assert_eq!(lines("shared/src/session/ratchet.rs", text), [3]);
    }

    #[test]
    fn a_second_exchange_of_keys_is_found() {
        let text = "//! A.\nfn dh() {\n    a.diffie_hellman(&b)\n}\n";
        assert_eq!(lines("shared/src/crypto/exchange.rs", text), []);
        assert_eq!(
            lines("shared/src/a.rs", &format!("{text}{}", text.replace("//! A.\n", ""))),
            [6]
        );
    }
}
