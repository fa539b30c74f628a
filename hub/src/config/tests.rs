//! The settings, their file and their errors.

use super::*;

fn load_text(text: &str) -> Result<Effective, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE);
    std::fs::write(&path, text).unwrap();
    load(Some(&path), std::iter::empty(), &[])
}

#[test]
fn the_commented_file_names_every_key_at_its_default() {
    let uncommented: String = TEMPLATE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let effective = load_text(&uncommented).unwrap();
    assert_eq!(effective.config, HubConfig::default());
    for (key, (_, origin)) in &effective.origins {
        assert!(matches!(origin, Origin::File(_)), "config/hub.toml lacks {key}");
    }
    assert_eq!(load_text(TEMPLATE).unwrap().config, HubConfig::default());
}

#[test]
fn an_unknown_key_is_named_with_its_file_and_the_nearest_key() {
    let error = load_text("[limits]\nmailbox_mb = 3\n").unwrap_err().to_string();
    assert!(error.contains("hub.toml: there is no key `limits.mailbox_mb`"), "{error}");
    assert!(error.ends_with("did you mean `limits.mailbox_mib`?"), "{error}");
    assert!(matches!(load_text("listen = 1"), Err(ConfigError::UnknownKey { .. })));
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE);
    std::fs::write(&path, "[limits]\nnodes = 1\nunproven = 1\nconnections = 1\n").unwrap();
    let env = [("HUBBUB_HUB_LIMITS__NODES", "2"), ("HUBBUB_HUB_LIMITS__UNPROVEN", "2")];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let other = ("HUBBUB_HUB_HOME".to_owned(), "/x".to_owned());
    let sets = ["limits.nodes=3".to_owned(), "network.listen=[::1]:5".to_owned()];
    let effective = load(Some(&path), env.into_iter().chain([other]), &sets).unwrap();
    let limits = &effective.config.limits;
    assert_eq!((limits.nodes, limits.unproven, limits.connections), (3, 2, 1));
    assert_eq!(effective.config.network.listen, "[::1]:5".parse().unwrap());
    assert_eq!(effective.origins["limits.nodes"].1, Origin::CommandLine);
    assert_eq!(effective.origins["limits.hello_seconds"].1, Origin::Default);
}

#[test]
fn a_value_of_the_wrong_kind_is_named_with_its_key() {
    let error = load_text("[access]\nopen = 3\n").unwrap_err().to_string();
    assert!(error.contains("`access.open` cannot be 3"), "{error}");
    let sets = ["access.open".to_owned()];
    let unset = load(None, std::iter::empty(), &sets);
    assert!(matches!(unset, Err(ConfigError::NotASetting(_))));
}

#[test]
fn a_named_file_that_is_absent_is_refused() {
    let absent = load(Some(Path::new("/nowhere/hub.toml")), std::iter::empty(), &[]);
    assert!(matches!(absent, Err(ConfigError::Unreadable { .. })));
}
