//! Structure tests: what ARCHITECTURE.md promises about the source, read from the source itself.
//!
//! Every rule is a function from a [`tree::Tree`] to findings and lives in a file of its own, next
//! to small trees that break it. Here the rules meet the real tree. Nothing is built or run, so a
//! finding takes milliseconds and names its file and line.

#![allow(unreachable_pub)] // a test exports nothing; `pub` here means "for the other rules"

mod bounds;
mod crypto_calls;
mod crypto_folder;
mod documents;
mod import_arrows;
mod lexed;
mod logs;
mod mentions;
mod names;
mod numbers;
mod panics;
mod pure_folders;
mod sealed_hub;
mod secrets;
mod shapes;
mod tree;

use std::sync::LazyLock;

use tree::{Finding, Tree};

static TREE: LazyLock<Tree> = LazyLock::new(|| Tree::of_workspace().unwrap_or_default());

#[track_caller]
fn none(findings: &[Finding]) {
    let list: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{} findings:\n{}", list.len(), list.join("\n"));
}

#[test]
fn every_source_file_is_found_and_read() {
    none(&TREE.unreadable());
    for root in ["shared/src/lib.rs", "hub/src/lib.rs", "node/src/lib.rs", "tests/tidy/main.rs"] {
        assert!(TREE.source(root).is_some(), "{root} is not in the tree the rules see");
    }
}

/// A renamed folder would leave its rule with nothing to look at, and green.
#[test]
fn every_folder_a_rule_names_exists() {
    let named = [pure_folders::FOLDERS, import_arrows::FOLDERS, crypto_folder::FOLDERS].concat();
    let missing: Vec<_> = named.into_iter().filter(|f| !TREE.has_module(f)).collect();
    assert!(missing.is_empty(), "no such module: {missing:?}; rename it in the rules as well");
}

#[test]
fn every_secret_a_rule_names_exists() {
    let exists = |name: &str| TREE.shipped().any(|s| s.shapes.types.iter().any(|t| t.name == name));
    let missing: Vec<_> = secrets::SECRETS.iter().filter(|name| !exists(name)).collect();
    assert!(missing.is_empty(), "no such type: {missing:?}; rename it in the rule as well");
}

#[test]
fn pure_folders_touch_no_machine() {
    none(&pure_folders::check(&TREE));
}

#[test]
fn the_hub_cannot_open_an_envelope() {
    none(&sealed_hub::check(&TREE));
}

#[test]
fn imports_point_one_way() {
    none(&import_arrows::check(&TREE));
}

#[test]
fn cryptography_has_one_home() {
    none(&crypto_folder::check(&TREE));
}

#[test]
fn the_strict_call_is_the_only_call() {
    none(&crypto_calls::check(&TREE));
}

#[test]
fn secrets_are_never_printed_copied_or_serialised() {
    none(&secrets::check(&TREE));
}

#[test]
fn logs_say_nothing_about_content() {
    none(&logs::check(&TREE));
}

#[test]
fn queues_are_bounded_and_tasks_are_owned() {
    none(&bounds::check(&TREE));
}

#[test]
fn nothing_panics_and_no_result_is_dropped_in_silence() {
    none(&panics::check(&TREE));
}

#[test]
fn names_say_what_is_inside() {
    none(&names::check(&TREE));
}

#[test]
fn files_and_functions_keep_the_house_numbers() {
    none(&numbers::check(&TREE));
}

#[test]
fn the_readme_shows_how_to_start_and_how_to_test() {
    none(&documents::readme(&tree::document("README.md")));
}

#[test]
fn protocol_md_names_every_frame() {
    none(&documents::protocol(&TREE, &tree::document("PROTOCOL.md")));
}

#[test]
fn every_bound_the_page_about_back_pressure_names_exists() {
    none(&documents::limits(&TREE, &tree::document(documents::LIMITS)));
}
