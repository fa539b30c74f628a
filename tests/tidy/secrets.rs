//! What is or holds a secret derives neither `Debug` nor `Clone` nor `Serialize`.

use crate::shapes::{Held, Type};
use crate::tree::{Finding, Source, Tree};

/// Types of `shared` that own key material. `Zeroizing` counts wherever it comes from.
pub const SECRETS: &[&str] = &[
    "Confirmation",
    "Confirmations",
    "DhSecret",
    "Door",
    "FileKey",
    "FileOffer",
    "FileRef",
    "Identity",
    "InboundChain",
    "Joiner",
    "KemSecret",
    "LocalPrekeys",
    "Opener",
    "OutboundChain",
    "Passphrase",
    "PieceCipher",
    "Pieces",
    "Prs",
    "Scratch",
    "Sealing",
    "Secret32",
    "SecretBytes",
    "Session",
    "ShareSecret",
    "SignalKey",
    "Source",
];
const FORBIDDEN: &[&str] = &["Debug", "Clone", "Copy", "Serialize"];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.shipped() {
        for kind in &source.shapes.types {
            let Some(secret) = secret_of(source, kind) else { continue };
            for derived in kind.derives.iter().filter(|d| FORBIDDEN.contains(&&***d)) {
                if secret.borrowed && ["Clone", "Copy"].contains(&&**derived) {
                    continue; // copies the pointer, not what it points at
                }
                let what = format!("`{}` derives {derived} over {}", kind.name, secret.name);
                findings.push(source.finding(kind.line, what));
            }
        }
    }
    findings
}

struct Secret {
    name: String,
    /// Whether the type only points at secrets.
    borrowed: bool,
}

/// The secret that `kind` is or holds.
fn secret_of(source: &Source, kind: &Type) -> Option<Secret> {
    let in_shared = source.path.starts_with("shared/src/");
    if in_shared && SECRETS.contains(&&*kind.name) {
        return Some(Secret { name: "itself".to_owned(), borrowed: false });
    }
    let held: Vec<&Held> = kind.holds.iter().filter(|h| is_secret(in_shared, &h.path)).collect();
    let worst = held.iter().find(|h| !h.borrowed).or(held.first())?;
    Some(Secret { name: format!("`{}`", worst.path.join("::")), borrowed: worst.borrowed })
}

/// In `shared` a bare name is the type itself; elsewhere it counts only when imported from there.
fn is_secret(in_shared: bool, path: &[String]) -> bool {
    let Some(last) = path.last() else { return false };
    let ours = in_shared || path.first().is_some_and(|root| root == "hubbub_shared");
    last == "Zeroizing" || (ours && SECRETS.contains(&&**last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Tree::of(&[(path, text)])).into_iter().map(|f| f.line).collect()
    }

    #[test]
    fn a_secret_that_can_be_printed_is_found() {
        for derived in FORBIDDEN {
            let text = format!(
                "//! A.\n/// B.\n#[derive(PartialEq, {derived})]\npub struct Secret32(B);\n"
            );
            assert_eq!(lines("shared/src/crypto/secret.rs", &text), [4], "{derived}");
        }
    }

    #[test]
    fn a_holder_of_secrets_is_found_however_deep() {
        let text = "//! A.\nuse hubbub_shared::crypto::Identity;\n\
                    #[derive(Debug)]\nenum Lock {\n    Open { key: Option<Box<Identity>> },\n}\n";
        assert_eq!(lines("node/src/keystore.rs", text), [4]);
        let text = "//! A.\n#[derive(Clone)]\nstruct Typed(zeroize::Zeroizing<String>);\n";
        assert_eq!(lines("node/src/cli/unlock.rs", text), [3]);
    }

    #[test]
    fn a_pointer_to_a_secret_may_be_copied_but_not_printed() {
        let text = "//! A.\n#[derive(Clone, Copy, Debug)]\nstruct Keys<'a>(&'a Secret32);\n";
        assert_eq!(lines("shared/src/session/chain.rs", text), [3]);
    }

    #[test]
    fn another_type_of_the_same_name_is_no_secret() {
        let text = "//! A.\nuse crate::api::Session;\n#[derive(Clone)]\nstruct Tab(Session);\n";
        assert_eq!(lines("node/src/web/tabs.rs", text), []);
    }
}
