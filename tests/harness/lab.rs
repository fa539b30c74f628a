//! Two homes behind routers and a hub on the open network, in network namespaces of their own.
//!
//! ```text
//! a 10.1.0.2 -- ra 198.18.1.2 -- net (hub 198.18.0.1) -- 198.18.2.2 rb -- 10.2.0.2 b
//! c 10.1.0.3 --'                                                     '-- 10.2.0.3 d
//! ```
//!
//! Needs root, `ip` and `nft`. Invariant: nothing outside the namespaces made here is touched, and
//! all of them go when the lab is dropped.

// What does not work here is a failed test.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use std::process::Command;
use std::sync::OnceLock;

/// Where the hub is.
pub const HUB: &str = "198.18.0.1:4433";

const PLACES: [&str; 7] = ["net", "ra", "rb", "a", "b", "c", "d"];

/// What a router lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Router {
    /// None at all: the home has addresses of the open network.
    None,
    /// One outer port for an inner one; whoever knows it gets in.
    Full,
    /// The same; only from addresses the home has sent to.
    Address,
    /// The same; only from addresses and ports the home has sent to: most homes.
    Port,
    /// Another outer port for every destination.
    Symmetric,
    /// Strays are answered with an error.
    Rejecting,
    /// UDP to the hub and nowhere else.
    HubOnly,
    /// No UDP at all.
    Blocked,
}

impl Router {
    /// Those between which packets may pass somehow.
    pub const OPEN: [Self; 6] =
        [Self::None, Self::Full, Self::Address, Self::Port, Self::Symmetric, Self::Rejecting];

    /// Whether two homes can reach each other directly at all.
    #[must_use]
    pub fn meets(self, other: Self) -> bool {
        let (one, two) = (self.min(other), self.max(other));
        let strict = |router| matches!(router, Self::Port | Self::Rejecting | Self::Symmetric);
        match (one, two) {
            (_, Self::HubOnly | Self::Blocked) => false,
            (Self::Symmetric, other) | (other, Self::Symmetric) => !strict(other),
            _ => true,
        }
    }

    /// Its rules for addresses: as names of maps, on the way out, on the way in.
    fn translation(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::None => ("", "", ""),
            Self::Full => (
                "map eim { type inet_service : ipv4_addr . inet_service; flags dynamic,timeout; \
                 timeout 60s; }",
                "meta l4proto udp update @eim { udp sport : ip saddr . udp sport }\nmasquerade",
                "meta l4proto udp dnat ip to udp dport map @eim",
            ),
            Self::Address => (
                "map eim { type inet_service : ipv4_addr . inet_service; flags dynamic,timeout; \
                 timeout 60s; }\nset seen { type ipv4_addr . inet_service; flags dynamic,timeout; \
                 timeout 60s; }",
                "meta l4proto udp update @seen { ip daddr . udp sport }\nmeta l4proto udp update \
                 @eim { udp sport : ip saddr . udp sport }\nmasquerade",
                "meta l4proto udp ip saddr . udp dport @seen dnat ip to udp dport map @eim",
            ),
            Self::Symmetric => ("", "masquerade fully-random", ""),
            Self::Port | Self::Rejecting | Self::HubOnly | Self::Blocked => ("", "masquerade", ""),
        }
    }

    fn outward(self) -> &'static str {
        match self {
            Self::HubOnly => "iifname lan meta l4proto udp ip daddr != 198.18.0.1 drop",
            Self::Blocked => "meta l4proto udp drop",
            _ => "",
        }
    }

    fn rules(self) -> String {
        let (maps, out, into) = self.translation();
        let stray =
            if self == Self::Rejecting { "iifname wan meta l4proto udp reject" } else { "" };
        let home = if self == Self::None { "accept" } else { "" };
        format!(
            "flush ruleset\ntable ip lab {{\n{maps}\n\
             chain pre {{ type nat hook prerouting priority dstnat; iifname wan jump dn; }}\n\
             chain dn {{\n{into}\n}}\n\
             chain post {{ type nat hook postrouting priority srcnat; oifname wan jump sn; }}\n\
             chain sn {{\n{out}\n}}\n\
             chain forw {{ type filter hook forward priority filter; policy drop;\n{}\n\
             iifname lan accept\nct state established,related accept\nct status dnat accept\n\
             {home}\n}}\n\
             chain inp {{ type filter hook input priority filter; policy drop;\n\
             ct state established,related accept\niifname lan accept\nip protocol icmp accept\n\
             {stray}\n}}\n}}\n",
            self.outward()
        )
    }
}

/// The namespaces.
pub struct Lab {
    prefix: String,
    places: Vec<String>,
}

/// Why there is no lab here; none when there can be one.
#[must_use]
pub fn missing() -> Option<&'static str> {
    // Tried once for all tests of a process: they run side by side.
    static MISSING: OnceLock<Option<&'static str>> = OnceLock::new();
    *MISSING.get_or_init(look)
}

fn look() -> Option<&'static str> {
    let id = Command::new("id").arg("-u").output().ok();
    if id.is_none_or(|id| id.stdout != b"0\n") {
        return Some("network namespaces need root");
    }
    let works = |program: &str, args: &[&str]| {
        Command::new(program).args(args).output().is_ok_and(|output| output.status.success())
    };
    if !works("ip", &["-V"]) || !works("nft", &["-v"]) {
        return Some("it needs ip (iproute2) and nft (nftables)");
    }
    let name = format!("hubbub-try-{}", std::process::id());
    let made = works("ip", &["netns", "add", &name]);
    let ruled = made && works("ip", &["netns", "exec", &name, "nft", "add", "table", "ip", "lab"]);
    if made {
        works("ip", &["netns", "del", &name]);
    }
    (!ruled).then_some("this kernel makes no network namespaces with packet filters")
}

impl Lab {
    /// Builds one; `prefix` keeps it apart from others.
    ///
    /// # Panics
    /// When it cannot be built.
    #[must_use]
    pub fn up(prefix: &str, routers: [Router; 2]) -> Self {
        let lab = Self::of(prefix, PLACES.map(str::to_owned).to_vec());
        lab.ip("net", "addr add 198.18.0.1/32 dev lo");
        for (home, n) in [("a", 1), ("b", 2)] {
            lab.home(home, n);
        }
        for (router, machine, n) in [("ra", "c", 1), ("rb", "d", 2)] {
            lab.plug(router, &format!("p{machine}"), machine);
            lab.ip(machine, &format!("addr add 10.{n}.0.3/24 dev eth0"));
            lab.ip(machine, &format!("route add default via 10.{n}.0.1"));
        }
        for place in ["net", "ra", "rb"] {
            lab.run(place, &["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
        }
        for (router, kind) in ["ra", "rb"].into_iter().zip(routers) {
            lab.set(router, kind);
        }
        lab
    }

    /// Machines on the open network, `m1` and so on, and the hub on one of its own: what passes its
    /// cable is what it carries. It is plugged into `net`, as they are.
    ///
    /// # Panics
    /// When it cannot be built.
    #[must_use]
    pub fn crowd(prefix: &str, machines: u8) -> Self {
        let names = (1..=machines).map(|n| format!("m{n}"));
        let places = ["net", "hub"].map(str::to_owned).into_iter().chain(names).collect();
        let lab = Self::of(prefix, places);
        lab.run("net", &["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
        lab.lay("hub", "198.18.0");
        (1..=machines).for_each(|n| lab.lay(&format!("m{n}"), &format!("198.18.{n}")));
        lab
    }

    /// Two machines, `m1` and `m2`, that reach the hub's (`net`) and nothing else: it forwards
    /// nothing, so that what goes from one to the other is carried by a process there.
    ///
    /// # Panics
    /// When it cannot be built.
    #[must_use]
    pub fn apart(prefix: &str) -> Self {
        let lab = Self::of(prefix, ["net", "m1", "m2"].map(str::to_owned).to_vec());
        // A new namespace may have the machine's own setting.
        lab.run("net", &["sysctl", "-qw", "net.ipv4.ip_forward=0"]);
        lab.ip("net", "addr add 198.18.0.1/32 dev lo");
        lab.lay("m1", "198.18.1");
        lab.lay("m2", "198.18.2");
        lab
    }

    fn of(prefix: &str, places: Vec<String>) -> Self {
        let lab = Self { prefix: format!("{prefix}{}", std::process::id()), places };
        for place in &lab.places {
            ip(&["netns", "add", &lab.place(place)]);
            lab.ip(place, "link set lo up");
        }
        lab
    }

    /// Bytes that passed the cable of a machine in a crowd since it was plugged in: to it, and from
    /// it.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub fn passed(&self, machine: &str) -> [u64; 2] {
        ["rx", "tx"].map(|way| {
            let counter = format!("/sys/class/net/eth0/statistics/{way}_bytes");
            let place = self.place(machine);
            let read = Command::new("ip").args(["netns", "exec", &place, "cat", &counter]).output();
            String::from_utf8(read.unwrap().stdout).unwrap().trim().parse().unwrap()
        })
    }

    /// A cable from `net` to a machine, whose only one it is.
    fn lay(&self, machine: &str, network: &str) {
        let (there, here) = (self.place(machine), self.place("net"));
        ip(&[
            "link", "add", machine, "netns", &here, "type", "veth", "peer", "eth0", "netns", &there,
        ]);
        self.ip("net", &format!("addr add {network}.254/24 dev {machine}"));
        self.ip("net", &format!("link set {machine} up"));
        self.ip(machine, &format!("addr add {network}.1/24 dev eth0"));
        self.ip(machine, "link set eth0 up");
        self.ip(machine, &format!("route add default via {network}.254"));
    }

    /// A home with its router.
    fn home(&self, home: &str, n: u8) {
        let router = format!("r{home}");
        let (there, here) = (self.place(&router), self.place("net"));
        ip(&[
            "link", "add", &router, "netns", &here, "type", "veth", "peer", "wan", "netns", &there,
        ]);
        self.ip("net", &format!("link set {router} up"));
        self.ip("net", &format!("addr add 198.18.{n}.1/24 dev {router}"));
        self.ip("net", &format!("route add 10.{n}.0.0/24 via 198.18.{n}.2"));
        self.ip(&router, "link add lan type bridge");
        self.ip(&router, "link set lan up");
        self.ip(&router, &format!("addr add 10.{n}.0.1/24 dev lan"));
        self.ip(&router, "link set wan up");
        self.ip(&router, &format!("addr add 198.18.{n}.2/24 dev wan"));
        self.ip(&router, &format!("route add default via 198.18.{n}.1"));
        self.plug(&router, &format!("p{home}"), home);
        self.ip(home, &format!("addr add 10.{n}.0.2/24 dev eth0"));
        self.ip(home, &format!("route add default via 10.{n}.0.1"));
    }

    /// IPv6 for a and b, beside what there is: no translation, routers let in answers alone. The
    /// hub has none.
    pub fn add_v6(&self) {
        for place in ["net", "ra", "rb"] {
            self.run(place, &["sysctl", "-qw", "net.ipv6.conf.all.forwarding=1"]);
        }
        for (home, n) in [("a", 1), ("b", 2)] {
            let router = format!("r{home}");
            self.ip("net", &format!("addr add fd18:{n}::1/64 dev {router} nodad"));
            self.ip("net", &format!("route add fd10:{n}::/64 via fd18:{n}::2"));
            self.ip(&router, &format!("addr add fd18:{n}::2/64 dev wan nodad"));
            self.ip(&router, &format!("addr add fd10:{n}::1/64 dev lan nodad"));
            self.ip(&router, &format!("-6 route add default via fd18:{n}::1"));
            self.ip(home, &format!("addr add fd10:{n}::2/64 dev eth0 nodad"));
            self.ip(home, &format!("-6 route add default via fd10:{n}::1"));
            let rules = "table ip6 lab { chain forw { type filter hook forward priority filter; \
                         policy drop; iifname lan accept; ct state established,related accept; \
                         icmpv6 type { packet-too-big } accept; }; }";
            self.run(&router, &["nft", rules]);
        }
    }

    /// A cable from a router's bridge to a machine.
    fn plug(&self, router: &str, port: &str, machine: &str) {
        let (there, here) = (self.place(machine), self.place(router));
        ip(&["link", "add", port, "netns", &here, "type", "veth", "peer", "eth0", "netns", &there]);
        self.ip(router, &format!("link set {port} master lan up"));
        self.ip(machine, "link set eth0 up");
    }

    /// The name of a namespace, as `ip netns exec` takes it.
    #[must_use]
    pub fn place(&self, place: &str) -> String {
        format!("{}-{place}", self.prefix)
    }

    /// Gives a router other rules, and lets it forget everything.
    ///
    /// # Panics
    /// When it does not take them.
    pub fn set(&self, router: &str, kind: Router) {
        let file = std::env::temp_dir().join(format!("{}-{router}.nft", self.prefix));
        std::fs::write(&file, kind.rules()).unwrap();
        self.run(router, &["nft", "-f", &file.to_string_lossy()]);
        std::fs::remove_file(&file).unwrap();
        self.reboot(router);
    }

    /// A router forgets all mappings, as after a power cut.
    pub fn reboot(&self, router: &str) {
        let gateway = if router == "ra" { "198.18.1.1" } else { "198.18.2.1" };
        self.ip(router, "link set wan down");
        self.ip(router, "link set wan up");
        self.ip(router, &format!("route replace default via {gateway}"));
    }

    /// Pulls a machine's cable, or plugs it in again.
    pub fn cable(&self, machine: &str, plugged: bool) {
        let router = if matches!(machine, "a" | "c") { "ra" } else { "rb" };
        let state = if plugged { "up" } else { "down" };
        self.ip(router, &format!("link set p{machine} {state}"));
    }

    /// A router that translates gives other outer ports from now on, as when it rebinds.
    pub fn rebind(&self, router: &str) {
        self.run(router, &["nft", "flush", "chain", "ip", "lab", "sn"]);
        let rule = "add rule ip lab sn meta l4proto udp masquerade to :20000-29999 random";
        let rule: Vec<&str> = std::iter::once("nft").chain(rule.split(' ')).collect();
        self.run(router, &rule);
        self.reboot(router);
    }

    /// A machine gets another address in its home.
    pub fn readdress(&self, machine: &str) {
        let n = if machine == "b" { 2 } else { 1 };
        // Routes go with the old address.
        self.ip(machine, &format!("addr del 10.{n}.0.2/24 dev eth0"));
        self.ip(machine, &format!("addr add 10.{n}.0.77/24 dev eth0"));
        self.ip(machine, &format!("route replace default via 10.{n}.0.1"));
    }

    /// Of a hundred UDP packets that cross the open network, so many are lost.
    pub fn lose(&self, percent: u8) {
        let rule = format!(
            "table inet loss {{}}\nflush table inet loss\ntable inet loss {{\n\
             chain pre {{ type filter hook prerouting priority raw;\n\
             iifname \"r*\" meta l4proto udp numgen random mod 100 < {percent} drop\n}}\n\
             chain out {{ type filter hook output priority raw;\n\
             oifname \"r*\" meta l4proto udp numgen random mod 100 < {percent} drop\n}}\n}}\n"
        );
        let file = std::env::temp_dir().join(format!("{}-loss.nft", self.prefix));
        std::fs::write(&file, rule).unwrap();
        self.run("net", &["nft", "-f", &file.to_string_lossy()]);
        std::fs::remove_file(&file).unwrap();
    }

    fn ip(&self, place: &str, args: &str) {
        let place = self.place(place);
        let args: Vec<&str> = ["-n", &place].into_iter().chain(args.split(' ')).collect();
        ip(&args);
    }

    /// Runs something in a namespace.
    ///
    /// # Panics
    /// When it fails.
    pub fn run(&self, place: &str, args: &[&str]) {
        let place = self.place(place);
        let args: Vec<&str> =
            ["netns", "exec", &place].into_iter().chain(args.iter().copied()).collect();
        ip(&args);
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for place in &self.places {
            let gone = Command::new("ip").args(["netns", "del", &self.place(place)]).output();
            if let Err(error) = gone {
                println!("cannot remove {}: {error}", self.place(place));
            }
        }
    }
}

fn ip(args: &[&str]) {
    let output = Command::new("ip").args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {}: {said}", args.join(" "));
}
