//! Results as people read them. Pure: plain data and a look in, text out.

use hubbub_shared::time::Timestamp;
use unicode_width::UnicodeWidthStr;

use crate::api::group::KnockView;
use crate::api::view::{
    CheckView, ContactView, ConversationKind, ConversationView, Delivery, Health, LinkState,
    MemberView, MessageView, PastView, Path, PathView, PersonView, RecipientView, SafetyView,
    StatusView, WhoamiView,
};
use crate::display::{
    Charset, Clock, LOBBY_LABEL, WAITS, block, body, delivery_mark, delivery_word, excerpt,
    history_since, hue, kind_mark, line, link, notice_is_warning, past_is_warning, past_mark, path,
    presence, qr_lines, role, spread,
};

/// Characters of a conversation's last message in the list.
const EXCERPT: usize = 48;

/// How results look.
#[derive(Clone, Debug)]
pub(super) struct Look {
    /// Names in colour.
    pub(super) colour: bool,
    /// Which characters.
    pub(super) charset: Charset,
    /// Local time.
    pub(super) clock: Clock,
    /// Now.
    pub(super) now: Timestamp,
}

impl Look {
    fn name(&self, person: &PersonView) -> String {
        let name = line(&person.name);
        if self.colour {
            format!("\x1b[38;5;{}m{name}\x1b[0m", hue(&person.node.0))
        } else {
            name.into_owned()
        }
    }

    fn loud(&self, text: String) -> String {
        if self.colour { format!("\x1b[1;31m{text}\x1b[0m") } else { text }
    }
}

/// Rows in columns as wide as their widest cell, two spaces between.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let wide =
        |n| rows.iter().filter_map(|r| r.get(n)).map(|c: &String| c.width()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(wide).collect();
    let row = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| {
            format!("{cell}{}", " ".repeat(width.saturating_sub(cell.width()) + 2))
        });
        cells.collect::<String>().trim_end().to_owned()
    };
    rows.iter().map(row).collect::<Vec<_>>().join("\n")
}

/// The list of conversations.
pub(super) fn conversations(list: &[ConversationView], look: &Look) -> String {
    let row = |c: &ConversationView| {
        let unread = if c.unread > 0 { format!("{} new", c.unread) } else { String::new() };
        let last = c.last.as_deref().map(|last| excerpt(last, EXCERPT)).unwrap_or_default();
        let last = match c.kind {
            ConversationKind::Lobby => format!("({LOBBY_LABEL}) {last}"),
            _ if !c.active => format!("(left) {last}"),
            _ => last,
        };
        vec![
            format!("{}{}", kind_mark(c.kind), line(&c.title)),
            unread,
            look.clock.brief(c.last_at, look.now),
            last,
        ]
    };
    table(&list.iter().map(row).collect::<Vec<_>>())
}

/// The list of contacts.
pub(super) fn contacts(list: &[ContactView], look: &Look) -> String {
    let row = |c: &ContactView| {
        vec![
            contact_name(c),
            verified(c.person.verified).to_owned(),
            path(c.path).to_owned(),
            c.last_heard.map_or_else(String::new, |at| presence(at, look.now, &look.clock)),
            remarks(c),
        ]
    };
    table(&list.iter().map(row).collect::<Vec<_>>())
}

/// How peers are reached.
pub(super) fn paths(list: &[PathView], look: &Look) -> String {
    let row = |p: &PathView| {
        let how = [there(p, look), not_directly(p)].into_iter().flatten();
        let how = how.collect::<Vec<_>>().join("; ");
        let next = p.next_try.map(|at| format!("tried again {}", look.clock.brief(at, look.now)));
        vec![
            line(&p.person.name).into_owned(),
            path(p.path).to_owned(),
            how,
            next.unwrap_or_default(),
        ]
    };
    table(&list.iter().map(row).collect::<Vec<_>>())
}

/// Where somebody is, or was.
fn there(p: &PathView, look: &Look) -> Option<String> {
    match (p.path, p.last_heard) {
        (Path::Direct, _) => Some(format!("{}, {} ms", p.address.as_deref()?, p.rtt_ms?)),
        (Path::Relay, _) => Some(format!("via the hub, {} ms to it", p.hub_rtt_ms?)),
        (Path::Stored, Some(at)) => Some(format!("last heard {}", look.clock.brief(at, look.now))),
        (Path::Stored, None) if p.presence => {
            Some("not heard from since this node started".to_owned())
        }
        (Path::Stored, None) => Some("you two do not share when you are there".to_owned()),
    }
}

fn not_directly(p: &PathView) -> Option<String> {
    match p.trying {
        true => Some("a direct connection is being made".to_owned()),
        false => p.why_not.clone(),
    }
}

/// What was looked at, each with what to do about it below.
pub(super) fn checks(list: &[CheckView], _: &Look) -> String {
    let row = |check: &CheckView| {
        let health = match check.health {
            Health::Good => "good",
            Health::Fair => "fair",
            Health::Bad => "BAD",
        };
        let found = line(&check.found).into_owned();
        let mut rows = vec![vec![check.what.clone(), health.to_owned(), found]];
        if let Some(todo) = &check.todo {
            rows.push(vec![String::new(), String::new(), format!("> {}", line(todo))]);
        }
        rows
    };
    table(&list.iter().flat_map(row).collect::<Vec<_>>())
}

/// The nickname, and behind it what they like to be called.
fn contact_name(c: &ContactView) -> String {
    match c.display_name.as_str() {
        "" => line(&c.person.name).into_owned(),
        name => format!("{} ({})", line(&c.person.name), line(name)),
    }
}

fn remarks(c: &ContactView) -> String {
    let mut remarks = Vec::new();
    if c.blocked {
        remarks.push("(blocked)".to_owned());
    }
    if !c.namesakes.is_empty() {
        remarks.push("! another key goes by this name".to_owned());
    }
    remarks.push(line(&c.status).into_owned());
    remarks.join(" ").trim().to_owned()
}

pub(super) fn verified(yes: bool) -> &'static str {
    if yes { "verified" } else { "not verified" }
}

/// One message.
pub(super) fn message(message: &MessageView, look: &Look) -> String {
    let at = look.clock.date_time(message.sent_at);
    let says = body(&message.body, &message.sender);
    if matches!(message.body, crate::api::view::Body::Notice(_)) {
        let text = format!("{at}  -- {says}");
        return if notice_is_warning(&message.body) { look.loud(text) } else { text };
    }
    let lead = format!("{at}  {}: ", line(&message.sender.name));
    let indent = format!("\n{}", " ".repeat(lead.width()));
    let says = says.replace('\n', &indent);
    let mark = message.delivery.filter(|_| message.own);
    let mark = mark.map_or_else(String::new, |d| format!(" {}", delivery_mark(d, look.charset)));
    format!("{at}  {}: {says}{mark}", look.name(&message.sender))
}

/// Messages, each from its own line on.
pub(super) fn messages(list: &[MessageView], look: &Look) -> String {
    list.iter().map(|m| message(m, look)).collect::<Vec<_>>().join("\n")
}

/// What was said before, under the line that says since when.
pub(super) fn past(list: &[PastView], look: &Look) -> String {
    let Some(oldest) = list.first() else { return String::new() };
    let head = format!("-- {}", history_since(oldest.sent_at, &look.clock));
    let lines = list.iter().map(|told| told_line(told, look));
    [head].into_iter().chain(lines).collect::<Vec<_>>().join("\n")
}

fn told_line(told: &PastView, look: &Look) -> String {
    let at = look.clock.date_time(told.sent_at);
    let lead = format!("{at}  {}: ", line(&told.author.name));
    let says = block(&told.text).replace('\n', &format!("\n{}", " ".repeat(lead.width())));
    let mark = past_mark(told).map(|mark| format!(" [{mark}]")).unwrap_or_default();
    let mark = if past_is_warning(told) { look.loud(mark) } else { mark };
    format!("{at}  {}: {says}{mark}", look.name(&told.author))
}

/// This node.
pub(super) fn whoami(me: &WhoamiView, _: &Look) -> String {
    let nickname = me.nickname.as_deref().map_or("(none yet)".into(), line);
    let rows = [
        ("nickname", nickname.into_owned()),
        ("key", String::from(me.node)),
        ("name", line(&me.display_name).into_owned()),
        ("status", line(&me.status).into_owned()),
        ("hub", line(&me.hub).into_owned()),
        ("addresses", line(&me.addresses.join(", ")).into_owned()),
        ("profile", line(&me.profile).into_owned()),
    ];
    fields(&rows)
}

pub(super) fn fields(rows: &[(&str, String)]) -> String {
    table(&rows.iter().map(|(k, v)| vec![(*k).to_owned(), v.clone()]).collect::<Vec<_>>())
}

/// The link and what waits.
pub(super) fn status(status: &StatusView, look: &Look) -> String {
    let mut rows = vec![("hub", link(&status.link, look.now))];
    if !matches!(status.link, LinkState::Up { .. }) {
        rows.push(("writing", format!("what does not go directly {WAITS}")));
    }
    rows.extend([
        ("unsent", status.unsent.to_string()),
        ("undelivered", status.undelivered.to_string()),
        ("waiting", format!("{} for a key", status.waiting_for_keys)),
    ]);
    for group in &status.spreading {
        rows.push(("keys", spread(group)));
    }
    for (reason, n) in &status.refused {
        rows.push(("refused", format!("{n} {}", line(reason))));
    }
    fields(&rows)
}

/// A group's members.
pub(super) fn members(list: &[MemberView], _: &Look) -> String {
    let row = |m: &MemberView| {
        vec![
            line(&m.person.name).into_owned(),
            role(m.role).to_owned(),
            verified(m.person.verified).to_owned(),
        ]
    };
    table(&list.iter().map(row).collect::<Vec<_>>())
}

/// Groups we wait to be let into.
pub(super) fn knocks(list: &[KnockView], look: &Look) -> String {
    let row = |k: &KnockView| {
        vec![
            line(&k.room).into_owned(),
            if k.passphrase { "by passphrase" } else { "asked" }.to_owned(),
            format!("since {}", look.clock.date_time(k.since)),
            format!("{} members", k.keepers),
        ]
    };
    table(&list.iter().map(row).collect::<Vec<_>>())
}

/// A safety number with its code.
pub(super) fn safety(safety: &SafetyView, look: &Look) -> String {
    let groups: Vec<&str> = safety.number.split_whitespace().collect();
    let mut lines: Vec<String> =
        groups.chunks(4).map(|four| line(&four.join(" ")).into()).collect();
    let words: Vec<&str> = safety.words.split_whitespace().collect();
    lines.push(String::new());
    lines.extend(words.chunks(4).map(|four| line(&four.join(" ")).into_owned()));
    let code = data_encoding::HEXLOWER.decode(safety.qr.as_bytes()).unwrap_or_default();
    if !code.is_empty() {
        lines.push(String::new());
        lines.extend(qr_lines(&code, look.charset).unwrap_or_default());
    }
    lines.join("\n")
}

/// How far one message got.
pub(super) fn info(message_view: &MessageView, to: &[RecipientView], look: &Look) -> String {
    let row = |r: &RecipientView| {
        vec![
            format!("  {}", line(&r.person.name)),
            delivery_word(r.delivery).to_owned(),
            look.clock.date_time(r.at),
            r.stuck.as_deref().map(line).unwrap_or_default().into_owned(),
        ]
    };
    let rows: Vec<_> = to.iter().map(row).collect();
    let head = message(message_view, look);
    if rows.is_empty() { head } else { format!("{head}\n{}", table(&rows)) }
}

/// How far a message just sent has got.
pub(super) fn sent(id: &str, delivery: Delivery, look: &Look) -> String {
    format!("{} {}  {id}", delivery_mark(delivery, look.charset), delivery_word(delivery))
}

/// What stands below a hub's invite link: its code, what to do with it, the fingerprint.
pub(super) fn invite_card(link: &str, fingerprint: &str, look: &Look) -> String {
    let mut lines = qr_lines(link.as_bytes(), look.charset).unwrap_or_default();
    lines.push("Send the invite above to whoever should come in. They run:".to_owned());
    lines.push("  hubbub join '<invite>'".to_owned());
    lines.push(format!("Hub's fingerprint, to compare: {fingerprint}"));
    lines.join("\n")
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
