//! What else people use: `scp` and `sendme`, directly and by way of a third.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hubbub_tests::lab::Lab;
use hubbub_tests::process::{PATIENCE, Stage, wait_until};

use crate::bare::Role;
use crate::costs::{Taken, children, timed, watch};

/// Where `iroh-relay --dev` listens, and how the system writes that port.
const RELAY: &str = "http://198.18.0.1:3340";
const RELAY_PORT: &str = ":0D0C ";
/// The sshd's address, and the one it has as the host in between: ssh refuses to reach a host by
/// way of itself.
const HOST: &str = "127.0.0.1";
const BETWEEN: &str = "127.0.0.2";
/// Between two looks at whether a file is whole.
const GLANCE: Duration = Duration::from_millis(1);

/// Whether a program is there; says loudly what is left out where it is not.
fn installed(program: &str, case: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = std::env::split_paths(&path).any(|folder| folder.join(program).exists());
    if !there {
        println!("NOT MEASURED: {case}: {program} is not installed\n");
    }
    there
}

/// A program, in a network namespace or here.
fn program(name: &str, place: Option<&str>) -> Command {
    let Some(place) = place else { return Command::new(name) };
    let mut command = Command::new("ip");
    command.args(["netns", "exec", place, name]);
    command
}

/// An sshd on the loopback. It serves as the host in between, too: each session of its is a process
/// of its own.
pub(crate) struct Scp {
    sshd: Role,
    port: String,
    /// How ssh is to behave at both hosts.
    client: PathBuf,
    from: PathBuf,
    target: PathBuf,
}

impl Scp {
    pub(crate) fn start(stage: &Stage, content: &Path) -> Option<Self> {
        let daemon = Path::new("/usr/sbin/sshd");
        if !daemon.exists() {
            println!("NOT MEASURED: scp: openssh-server is not installed\n");
            return None;
        }
        fs::create_dir_all("/run/sshd").ok();
        let (host, key) = (stage.path("host-key"), stage.path("key"));
        for path in [&host, &key] {
            let args = ["-q", "-t", "ed25519", "-N", "", "-f", path.to_str().unwrap()];
            assert!(Command::new("ssh-keygen").args(args).status().ok()?.success());
        }
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port().to_string();
        drop(free);
        let config = stage.path("sshd.conf");
        let said = format!(
            "Port {port}\nListenAddress {HOST}\nListenAddress {BETWEEN}\nHostKey {}\n\
             AuthorizedKeysFile {}.pub\nStrictModes no\nPidFile none\nPermitRootLogin yes\n",
            host.display(),
            key.display()
        );
        fs::write(&config, said + "Subsystem sftp internal-sftp\n").unwrap();
        // A file, for it holds at the host in between as well; options would not.
        let client = stage.path("ssh.conf");
        let said = format!(
            "Ciphers aes128-gcm@openssh.com\nIdentityFile {}\nUserKnownHostsFile /dev/null\n\
             StrictHostKeyChecking no\nBatchMode yes\nLogLevel ERROR\n",
            key.display()
        );
        fs::write(&client, said).unwrap();
        let log = File::create(stage.path("sshd.log")).unwrap();
        let mut command = Command::new(daemon);
        command.args(["-D", "-e", "-f", config.to_str().unwrap()]).stderr(log);
        let sshd = Role(command.spawn().ok()?);
        std::thread::sleep(Duration::from_millis(500));
        Some(Self { sshd, port, client, from: content.to_owned(), target: stage.path("copied") })
    }

    pub(crate) fn processes(&self) -> Vec<u32> {
        vec![self.sshd.0.id()]
    }

    pub(crate) fn direct(&self) -> Taken {
        self.take(&[])
    }

    /// By way of the host in between, that passes on what it cannot read.
    pub(crate) fn relayed(&self) -> Taken {
        self.take(&["-J", &format!("{BETWEEN}:{}", self.port)])
    }

    fn take(&self, way: &[&str]) -> Taken {
        let mut command = Command::new("scp");
        command.arg("-q").arg("-F").arg(&self.client).args(["-P", &self.port]).args(way);
        command.arg(&self.from).arg(format!("{HOST}:{}", self.target.display()));
        let taken = run(command, &self.from, &self.target);
        // Only then the daemon has their processor time in its account.
        wait_until("its sessions have ended", PATIENCE, || {
            let left = children(self.sshd.0.id());
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        });
        taken
    }
}

/// A running `sendme send`, and its relay where it has one.
pub(crate) struct Sendme {
    sender: Role,
    relay: Option<Role>,
    ticket: String,
    from: PathBuf,
    folder: PathBuf,
    home: PathBuf,
    way: Way,
}

/// How its two ends reach each other.
struct Way {
    relay: &'static str,
    ticket: &'static [&'static str],
    /// The namespaces of sender and taker.
    places: [Option<String>; 2],
}

impl Sendme {
    pub(crate) fn direct(stage: &Stage, content: &Path) -> Option<Self> {
        let way = Way { relay: "disabled", ticket: &[], places: [None, None] };
        installed("sendme", "sendme").then(|| Self::start(stage, content, way))
    }

    /// By a relay of its own on the machine in the middle. The relay speaks plain HTTP: there is no
    /// second layer of TLS that would cost it time.
    pub(crate) fn relayed(stage: &Stage, content: &Path, lab: &Lab) -> Option<Self> {
        let case = "sendme relayed in namespaces";
        if !installed("sendme", case) || !installed("iroh-relay", case) {
            return None;
        }
        let mut command = program("iroh-relay", Some(&lab.place("net")));
        let log = File::create(stage.path("relay.log")).unwrap();
        command.arg("--dev").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let relay = Role(command.spawn().unwrap());
        wait_until("the relay listens", PATIENCE, || {
            let sockets = fs::read_to_string(format!("/proc/{}/net/tcp6", relay.0.id()));
            sockets
                .unwrap_or_default()
                .contains(RELAY_PORT)
                .then_some(())
                .ok_or_else(|| fs::read_to_string(stage.path("relay.log")).unwrap_or_default())
        });
        let places = ["m1", "m2"].map(|machine| Some(lab.place(machine)));
        let way = Way { relay: RELAY, ticket: &["--ticket-type", "relay"], places };
        Some(Self { relay: Some(relay), ..Self::start(stage, content, way) })
    }

    fn start(stage: &Stage, content: &Path, way: Way) -> Self {
        let (home, folder) = (stage.path("home"), stage.path("received"));
        fs::create_dir(&folder).unwrap();
        let mut command = program("sendme", way.places[0].as_deref());
        command.args(["send", "--relay", way.relay]).args(way.ticket).arg(content);
        command.env("HOME", &home).current_dir(&home).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut sender = command.spawn().unwrap();
        let mut said = BufReader::new(sender.stdout.take().unwrap()).lines();
        let ticket = said.find_map(|line| {
            line.ok()?.split_once("sendme receive ").map(|(_, ticket)| ticket.trim().to_owned())
        });
        std::thread::spawn(move || said.for_each(drop));
        let (sender, ticket) = (Role(sender), ticket.expect("sendme gives a ticket"));
        Self { sender, relay: None, ticket, from: content.to_owned(), folder, home, way }
    }

    pub(crate) fn processes(&self) -> Vec<u32> {
        [self.sender.0.id()].into_iter().chain(self.carrier()).collect()
    }

    /// What carries between its ends, if anything does.
    pub(crate) fn carrier(&self) -> Option<u32> {
        self.relay.as_ref().map(|relay| relay.0.id())
    }

    pub(crate) fn take(&self) -> Taken {
        let mut command = program("sendme", self.way.places[1].as_deref());
        command.args(["receive", "--relay", self.way.relay, &self.ticket]);
        command.env("HOME", &self.home).current_dir(&self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        run(command, &self.from, &self.folder.join("content"))
    }
}

/// Runs what makes `target` of `from`, both of which it goes through from front to end. The time is
/// until it is whole, and that of syncing it; not what the program does between, which is to take
/// leave: sendme removes its second copy, and waits a second for a probe that the relay ignores.
fn run(mut command: Command, from: &Path, target: &Path) -> Taken {
    let bytes = fs::metadata(from).unwrap().len();
    let began = Instant::now();
    let whole = || {
        while fs::metadata(target).map_or(0, |target| target.len()) < bytes {
            assert!(began.elapsed() < PATIENCE, "{} is not whole", target.display());
            std::thread::sleep(GLANCE);
        }
        began.elapsed().as_secs_f64()
    };
    let (seconds, gone) = std::thread::scope(|scope| {
        let gone = scope.spawn(|| watch(command.spawn().unwrap()));
        (whole(), gone.join().unwrap())
    });
    let synced = timed(|| File::open(target).unwrap().sync_all().unwrap());
    assert_eq!(fs::metadata(target).unwrap().len(), bytes);
    fs::remove_file(target).unwrap();
    Taken { seconds: seconds + synced, gone }
}
