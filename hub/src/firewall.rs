//! The line that opens the hub's port, for the firewalls people have on such machines.

use std::path::Path;

/// A program that sets a machine's firewall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firewall {
    /// Debian's and Ubuntu's.
    Ufw,
    /// Fedora's, and of those like it.
    Firewalld,
    /// The system's own, which the others write to.
    Nft,
}

impl Firewall {
    /// Those there is a line for.
    pub const ALL: [Self; 3] = [Self::Ufw, Self::Firewalld, Self::Nft];

    fn program(self) -> &'static str {
        match self {
            Self::Ufw => "ufw",
            Self::Firewalld => "firewall-cmd",
            Self::Nft => "nft",
        }
    }

    /// What to type to let UDP in.
    #[must_use]
    pub fn opening(self, port: u16) -> String {
        match self {
            Self::Ufw => format!("ufw allow {port}/udp"),
            Self::Firewalld => {
                format!("firewall-cmd --permanent --add-port={port}/udp && firewall-cmd --reload")
            }
            // Last in its chain it would come after what turns everything away.
            Self::Nft => format!("nft insert rule inet filter input udp dport {port} accept"),
        }
    }
}

/// Those installed here, in the usual folders.
#[must_use]
pub fn installed() -> Vec<Firewall> {
    let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin"];
    let there = |program: &str| folders.iter().any(|dir| Path::new(dir).join(program).exists());
    Firewall::ALL.into_iter().filter(|firewall| there(firewall.program())).collect()
}

/// The lines worth typing where these are installed: all where none is, since somebody may look for
/// another machine; and none behind the back of a program that keeps the system's own rules.
#[must_use]
pub fn openings(installed: &[Firewall], port: u16) -> Vec<String> {
    let keeper = installed.iter().any(|firewall| *firewall != Firewall::Nft);
    let of_use = |firewall: &Firewall| {
        installed.is_empty()
            || installed.contains(firewall) && !(keeper && *firewall == Firewall::Nft)
    };
    Firewall::ALL.into_iter().filter(of_use).map(|firewall| firewall.opening(port)).collect()
}

#[cfg(test)]
mod tests {
    use super::Firewall::{Firewalld, Nft, Ufw};
    use super::*;

    #[test]
    fn the_line_is_for_the_firewall_that_is_here_and_for_all_where_none_is() {
        let ufw = "ufw allow 4433/udp";
        let firewalld = "firewall-cmd --permanent --add-port=4433/udp && firewall-cmd --reload";
        let nft = "nft insert rule inet filter input udp dport 4433 accept";
        assert_eq!(openings(&[], 4433), [ufw, firewalld, nft]);
        assert_eq!(openings(&[Ufw, Nft], 4433), [ufw]);
        assert_eq!(openings(&[Firewalld, Nft], 4433), [firewalld]);
        assert_eq!(openings(&[Nft], 4433), [nft]);
    }
}
