//! The bytes of what joiner and keeper tell each other (PROTOCOL.md, Passphrase rooms).

use super::ContentError;
use super::pair_plain::read_title;
use crate::crypto::cpace::Share;
use crate::crypto::{RecordReader, RecordWriter};
use crate::group::knock::{How, Knock, KnockAnswer, KnockProof, KnockRefused, Reason};
use crate::id::{GroupId, KnockId};

pub(super) fn write_knock<'w>(w: &'w mut RecordWriter, knock: &Knock) -> &'w mut RecordWriter {
    w.fixed(&knock.gid.0).fixed(&knock.sid.0);
    match &knock.how {
        How::Passphrase { ya } => w.u8(1).fixed(&ya.0),
        How::Request { note } => w.u8(2).bytes(note.as_bytes()),
    }
}

pub(super) fn read_knock(r: &mut RecordReader<'_>) -> Result<Knock, ContentError> {
    let (gid, sid) = read_names(r)?;
    let how = match r.u8()? {
        1 => How::Passphrase { ya: Share(r.array()?) },
        2 => How::Request { note: read_title(r)? },
        other => return Err(ContentError::UnknownKind(other)),
    };
    Ok(Knock { gid, sid, how })
}

pub(super) fn write_answer<'w>(
    w: &'w mut RecordWriter,
    answer: &KnockAnswer,
) -> &'w mut RecordWriter {
    w.fixed(&answer.gid.0).fixed(&answer.sid.0).fixed(&answer.yb.0).fixed(&answer.tag)
}

pub(super) fn read_answer(r: &mut RecordReader<'_>) -> Result<KnockAnswer, ContentError> {
    let (gid, sid) = read_names(r)?;
    Ok(KnockAnswer { gid, sid, yb: Share(r.array()?), tag: r.array()? })
}

pub(super) fn write_proof<'w>(w: &'w mut RecordWriter, proof: &KnockProof) -> &'w mut RecordWriter {
    w.fixed(&proof.gid.0).fixed(&proof.sid.0).fixed(&proof.tag)
}

pub(super) fn read_proof(r: &mut RecordReader<'_>) -> Result<KnockProof, ContentError> {
    let (gid, sid) = read_names(r)?;
    Ok(KnockProof { gid, sid, tag: r.array()? })
}

pub(super) fn write_refused<'w>(
    w: &'w mut RecordWriter,
    refused: &KnockRefused,
) -> &'w mut RecordWriter {
    w.fixed(&refused.gid.0).fixed(&refused.sid.0).u8(refused.reason.into())
}

pub(super) fn read_refused(r: &mut RecordReader<'_>) -> Result<KnockRefused, ContentError> {
    let (gid, sid) = read_names(r)?;
    Ok(KnockRefused { gid, sid, reason: Reason::from(r.u8()?) })
}

fn read_names(r: &mut RecordReader<'_>) -> Result<(GroupId, KnockId), ContentError> {
    Ok((GroupId(r.array()?), KnockId(r.array()?)))
}
