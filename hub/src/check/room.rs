//! Whether what may still come fits on the disk: messages that wait, and files that are kept.

use super::{Disk, Finding, MIB};

/// Below this much free space a hub may stop storing any hour; and it may soon.
const DISK_FULL: u64 = 256 * MIB;
const DISK_LOW: u64 = 2_048 * MIB;

/// What may come to lie on the disk, as the settings say, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// That may wait in all.
    pub messages: u64,
    /// Of files, if any are taken.
    pub files: Option<FileRoom>,
}

/// What files may take, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileRoom {
    /// Of all together.
    pub total: u64,
    /// Of the disk that stay free: below, no new file is taken.
    pub reserve: u64,
    /// That they take now, whole or in part.
    pub taken: u64,
}

impl FileRoom {
    /// What more may come, by the settings.
    fn more(&self) -> u64 {
        self.total.saturating_sub(self.taken)
    }
}

/// `held` are the bytes of messages that wait now.
pub(super) fn finding(disk: Disk, room: &Room, held: u64) -> Finding {
    const ABOUT: &str = "disk";
    let said = format!("{} of {} free", size(disk.free), size(disk.size));
    if disk.free < DISK_FULL {
        let advice = "make room: a hub that cannot write tells everybody to wait";
        return Finding::wrong(ABOUT, said, advice);
    }
    if let Some(files) = room.files.filter(|files| disk.free <= files.reserve) {
        let reserve = size(files.reserve);
        let said = format!("{said}; no new file is taken while {reserve} are kept for messages");
        return Finding::look(ABOUT, said, "make room, or set files.reserve_mib lower");
    }
    if disk.free < DISK_LOW {
        return Finding::look(ABOUT, said, "make room");
    }
    let more = room.messages.saturating_sub(held);
    // Files stop at the reserve, however much of them the settings allow.
    let files = room.files.map_or(0, |files| files.more().min(disk.free - files.reserve));
    match (disk.free.checked_sub(more), room.files) {
        (None, _) => too_much(said, more, room.files),
        (Some(left), Some(_)) if left < files => too_much(said, more, room.files),
        _ => Finding::ok(ABOUT, said),
    }
}

fn too_much(said: String, more: u64, files: Option<FileRoom>) -> Finding {
    const ABOUT: &str = "disk";
    let said = format!("{said}; {} more may come to wait", size(more));
    let Some(files) = files else {
        let advice = "set limits.total_mib lower, so that senders wait before the disk is full";
        return Finding::look(ABOUT, said, advice);
    };
    let said = format!("{said}, and {} more of files", size(files.more()));
    let advice = "set limits.total_mib or files.total_mib lower, or files.reserve_mib higher, so \
                  that senders wait before the disk is full";
    Finding::look(ABOUT, said, advice)
}

fn size(bytes: u64) -> String {
    let mib = bytes / MIB;
    if mib < 10 * 1024 { format!("{mib} MiB") } else { format!("{} GiB", mib / 1024) }
}
