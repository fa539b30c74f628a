//! `hubbub-hub init`: keys, a commented hub.toml, one invite, the firewall's line.

use std::io::{self, Write as _};
use std::net::SocketAddr;

use hubbub_hub::config::{FILE, TEMPLATE};
use hubbub_hub::{firewall, invites, keys};

use super::invite::{self, Shown};
use super::{Failure, Place};
use crate::args::Init;

/// Sets a hub up; refuses where one is.
pub(super) async fn init(mut place: Place, args: Init) -> Result<(), Failure> {
    if keys::exists(&place.dir) || place.dir.join(FILE).exists() {
        return Err(Failure::Exists(place.dir));
    }
    let network = &mut place.effective.config.network;
    network.listen = args.listen.unwrap_or(network.listen);
    if !args.address.is_empty() {
        network.addresses = args.address;
    }
    invite::check(&invites::addresses(network, network.listen))?;
    let text = template(network.listen, &network.addresses);
    keys::load_or_create(&place.dir)?;
    let file = place.dir.join(FILE);
    std::fs::write(&file, text)?;
    let shown = invite::make(&place, None, None).await?;
    let mut err = io::stderr().lock();
    writeln!(
        err,
        "Wrote {}; this directory is the hub: back it up, show it nobody.",
        file.display()
    )?;
    print(&shown, place.effective.config.network.listen)
}

/// The commented file, with what was chosen on the command line set.
fn template(listen: SocketAddr, addresses: &[String]) -> String {
    let set = |line: &str| {
        let value = |value: toml::Value, key: &str| format!("{key} = {value}\n");
        match line.trim_start_matches('#').split_once(" = ").map(|(key, _)| key) {
            Some("listen") => value(listen.to_string().into(), "listen"),
            Some("addresses") if !addresses.is_empty() => {
                value(addresses.to_vec().into(), "addresses")
            }
            _ => format!("{line}\n"),
        }
    };
    TEMPLATE.lines().map(set).collect()
}

fn print(shown: &Shown, listen: SocketAddr) -> Result<(), Failure> {
    invite::print(shown)?;
    let port = listen.port();
    let mut err = io::stderr().lock();
    writeln!(err, "\nLet UDP in, if a firewall runs here:")?;
    for line in firewall::openings(&firewall::installed(), port) {
        writeln!(err, "  {line}")?;
    }
    writeln!(err, "Then start it: hubbub-hub run")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use hubbub_hub::config;

    use super::*;

    #[test]
    fn the_written_file_sets_what_was_chosen_and_leaves_the_rest_commented() {
        let listen = "127.0.0.1:7".parse().unwrap();
        let text = template(listen, &["chat.example.org".to_owned()]);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        std::fs::write(&path, text).unwrap();
        let loaded = config::load(Some(&path), std::iter::empty(), &[]).unwrap();
        assert_eq!(loaded.config.network.listen, listen);
        assert_eq!(loaded.config.network.addresses, ["chat.example.org"]);
        let set = loaded.origins.values().filter(|(_, o)| *o != config::Origin::Default);
        assert_eq!(set.count(), 2);
    }
}
