//! Only `shared::crypto` names a cryptographic crate; TLS lives in one module per side.

use crate::tree::{Finding, Source, Tree};

/// Where cryptography is at home.
pub const FOLDERS: &[&str] = &[HOME];
const HOME: &str = "shared/src/crypto";

const PRIMITIVES: &[&str] = &[
    "aead",
    "argon2",
    "aws_lc_rs",
    "bao_tree",
    "blake3",
    "chacha20poly1305",
    "curve25519_dalek",
    "ed25519_dalek",
    "hkdf",
    "hmac",
    "ml_kem",
    "ring",
    "sha2",
    "subtle",
    "x25519_dalek",
];
const TLS: &[&str] = &["rcgen", "rustls"];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.shipped() {
        for mention in &source.mentions {
            let names = |crates: &[&str]| crates.iter().any(|name| mention.is_under(name));
            let home = if names(PRIMITIVES) && !source.is_in(HOME) {
                "shared/src/crypto"
            } else if names(TLS) && !is_tls(source) {
                "a module called tls"
            } else {
                continue;
            };
            let what = format!("`{}` belongs in {home}", mention.text());
            findings.push(source.finding(mention.line, what));
        }
    }
    findings
}

fn is_tls(source: &Source) -> bool {
    source.path.trim_end_matches(".rs").split('/').any(|part| part == "tls")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Tree::of(&[(path, text)])).into_iter().map(|f| f.line).collect()
    }

    #[test]
    fn a_primitive_outside_its_home_is_found() {
        for name in PRIMITIVES {
            let text = format!("//! A.\nfn f() {{\n    {name}::hash(b);\n}}\n");
            assert_eq!(lines("shared/src/blob/keys.rs", &text), [3], "{name}");
            assert_eq!(lines("shared/src/crypto/aead.rs", &text), [], "{name}");
        }
    }

    #[test]
    fn tls_outside_its_module_is_found() {
        let text = "//! A.\nuse rustls::ServerConfig;\n";
        assert_eq!(lines("hub/src/server.rs", text), [2]);
        assert_eq!(lines("hub/src/tls.rs", text), []);
        assert_eq!(lines("node/src/net/tls/pin.rs", text), []);
    }

    #[test]
    fn a_variable_called_like_a_crate_is_no_mention() {
        let text =
            "//! A.\nfn f(hmac: u8) -> u8 {\n    self.sha2 + hmac + crate::crypto::hkdf::n()\n}\n";
        assert_eq!(lines("shared/src/wire/codec.rs", text), []);
    }
}
