//! How sessions and prekeys survive a restart: one record each, written and read field by field.

use std::collections::VecDeque;

use super::chain::Chain;
use super::prekeys::{LocalPrekeys, OneTimePrekey, Pair, Seen, SignedPrekey};
use super::skipped::Skipped;
use super::state::{KemClock, KemOffer, Names, Sending, Session};
use crate::crypto::exchange::{DhPublic, DhSecret, KemCiphertext, KemPublic, KemSecret};
use crate::crypto::{RecordError, RecordReader, RecordWriter, SecretBytes, SignalKey, Signed};
use crate::id::NodeId;
use crate::limits;
use crate::time::Timestamp;
use crate::wire::codec::{decode, encode};

/// Version 1 of a session's record ends before the key for signals.
const SESSION: u8 = 2;
const PREKEYS: u8 = 1;
const INIT_MAX: usize = 4096;
/// Handshakes under the signed prekey in force and all replaced ones.
const SEEN_MAX: usize = limits::HANDSHAKES_REMEMBERED * (limits::SIGNED_PREKEYS_KEPT + 1);

impl Session {
    /// The whole session, secrets included: for the encrypted store alone.
    #[must_use]
    pub fn save(&self) -> SecretBytes {
        let mut to = RecordWriter::new(SESSION);
        self.names.save(&mut to);
        to.u64(self.created.0).bool(self.retired).bool(self.last_resort);
        to.option(self.last_received.as_ref(), |to, at| {
            to.u64(at.0);
        });
        to.option(self.init.as_deref(), |to, init| {
            to.bytes(&encode(init));
        });
        self.save_ratchet(&mut to);
        to.count(self.past.len());
        for key in &self.past {
            to.fixed(key.as_bytes());
        }
        self.skipped.save(&mut to);
        to.u32(self.kem.messages).u64(self.kem.at.0).bool(self.kem.at_once);
        to.option(self.signal.as_ref(), |to, key| {
            to.fixed(key.secret().expose());
        });
        to.finish()
    }

    fn save_ratchet(&self, to: &mut RecordWriter) {
        to.fixed(self.root.expose()).u32(self.previous);
        to.option(self.own.as_ref(), |to, own| {
            to.fixed(own.secret().expose());
        });
        to.option(self.remote.as_ref(), |to, key| {
            to.fixed(key.as_bytes());
        });
        to.option(self.remote_ek.as_ref(), |to, key| {
            to.fixed(key.as_bytes());
        });
        to.option(self.offer.as_ref(), |to, offer| {
            to.fixed(offer.secret.seed());
        });
        to.option(self.receiving.as_ref(), save_chain);
        to.option(self.sending.as_ref(), |to, sending| {
            save_chain(to, &sending.chain);
            to.option(sending.ct.as_ref(), |to, ct| {
                to.fixed(ct.as_bytes());
            });
        });
    }

    /// Reads what [`Self::save`] wrote. A session saved in version 1 cannot signal.
    ///
    /// # Errors
    /// [`RecordError`] when it was damaged or written by another version.
    pub fn load(record: &[u8]) -> Result<Self, RecordError> {
        let (mut from, version) = RecordReader::up_to(record, SESSION)?;
        let names = Names::load(&mut from)?;
        let (created, retired) = (Timestamp(from.u64()?), from.bool()?);
        let last_resort = from.bool()?;
        let last_received = from.option(|from| from.u64().map(Timestamp))?;
        let init = from.option(|from| {
            decode(from.bytes(INIT_MAX)?).map(Box::new).map_err(|_| RecordError::Range)
        })?;
        let root = from.secret()?;
        let mut session = Self::bare(names, root, created, last_resort);
        session.load_ratchet(&mut from)?;
        session.retired = retired;
        session.last_received = last_received;
        session.init = init;
        session.past = load_past(&mut from)?;
        session.skipped = Skipped::load(&mut from)?;
        let (messages, at) = (from.u32()?, Timestamp(from.u64()?));
        session.kem = KemClock { messages, at, at_once: from.bool()? };
        if version >= 2 {
            session.signal = from.option(|from| from.secret().map(SignalKey::from_secret))?;
        }
        from.finish()?;
        Ok(session)
    }

    fn load_ratchet(&mut self, from: &mut RecordReader<'_>) -> Result<(), RecordError> {
        self.previous = from.u32()?;
        self.own = from.option(|from| from.secret().map(DhSecret::from_secret))?;
        self.remote = from.option(|from| from.array().map(DhPublic))?;
        self.remote_ek = from.option(load_kem_public)?;
        self.offer = from.option(|from| {
            let secret = KemSecret::from_seed(from.array()?);
            Ok(KemOffer { public: secret.public(), secret })
        })?;
        self.receiving = from.option(load_chain)?;
        self.sending = from.option(|from| {
            let chain = load_chain(from)?;
            Ok(Sending { chain, ct: from.option(load_kem_ciphertext)? })
        })?;
        Ok(())
    }
}

impl Names {
    fn save(&self, to: &mut RecordWriter) {
        to.fixed(&self.transcript).fixed(self.initiator.as_bytes());
        to.fixed(self.responder.as_bytes()).bool(self.we_began);
    }

    fn load(from: &mut RecordReader<'_>) -> Result<Self, RecordError> {
        Ok(Self {
            transcript: from.array()?,
            initiator: NodeId(from.array()?),
            responder: NodeId(from.array()?),
            we_began: from.bool()?,
        })
    }
}

fn save_chain(to: &mut RecordWriter, chain: &Chain) {
    to.fixed(chain.key().expose()).u32(chain.next());
}

fn load_chain(from: &mut RecordReader<'_>) -> Result<Chain, RecordError> {
    Ok(Chain::at(from.secret()?, from.u32()?))
}

fn load_past(from: &mut RecordReader<'_>) -> Result<VecDeque<DhPublic>, RecordError> {
    let count = from.count(limits::PAST_RATCHET_KEYS)?;
    (0..count).map(|_| from.array().map(DhPublic)).collect()
}

fn load_kem_public(from: &mut RecordReader<'_>) -> Result<KemPublic, RecordError> {
    let bytes = from.array::<{ KemPublic::LEN }>()?;
    KemPublic::from_slice(&bytes).ok_or(RecordError::Range)
}

fn load_kem_ciphertext(from: &mut RecordReader<'_>) -> Result<KemCiphertext, RecordError> {
    let bytes = from.array::<{ KemCiphertext::LEN }>()?;
    KemCiphertext::from_slice(&bytes).ok_or(RecordError::Range)
}

impl LocalPrekeys {
    /// All prekeys, secrets included: for the encrypted store alone.
    #[must_use]
    pub fn save(&self) -> SecretBytes {
        let mut to = RecordWriter::new(PREKEYS);
        to.fixed(self.idk.secret().expose()).bytes(&encode(&self.identity));
        to.u64(self.rotate_at.0).u32(self.next_id);
        self.current.save(&mut to);
        to.count(self.retired.len());
        for (at, spk) in &self.retired {
            to.u64(at.0);
            spk.save(&mut to);
        }
        to.count(self.otks.len());
        for otk in &self.otks {
            otk.save(&mut to);
        }
        to.count(self.seen.len());
        for seen in &self.seen {
            to.fixed(&seen.transcript).u32(seen.spk_id).bool(seen.one_time);
        }
        to.finish()
    }

    /// Reads what [`Self::save`] wrote.
    ///
    /// # Errors
    /// [`RecordError`] when it was damaged or written by another version.
    pub fn load(record: &[u8]) -> Result<Self, RecordError> {
        let mut from = RecordReader::new(record, PREKEYS)?;
        let idk = DhSecret::from_secret(from.secret()?);
        let identity = load_signed(&mut from)?;
        let (rotate_at, next_id) = (Timestamp(from.u64()?), from.u32()?);
        let current = SignedPrekey::load(&mut from)?;
        let count = from.count(limits::SIGNED_PREKEYS_KEPT)?;
        let retired = (0..count).map(|_| load_retired(&mut from)).collect::<Result<_, _>>()?;
        let count = from.count(limits::ONE_TIME_PREKEYS_KEPT)?;
        let otks = (0..count).map(|_| OneTimePrekey::load(&mut from)).collect::<Result<_, _>>()?;
        let count = from.count(SEEN_MAX)?;
        let seen = (0..count).map(|_| load_seen(&mut from)).collect::<Result<_, _>>()?;
        from.finish()?;
        Ok(Self { idk, identity, current, retired, rotate_at, otks, next_id, seen })
    }
}

impl SignedPrekey {
    fn save(&self, to: &mut RecordWriter) {
        to.u32(self.id).bytes(&encode(&self.signed));
        self.pair.save(to);
    }

    fn load(from: &mut RecordReader<'_>) -> Result<Self, RecordError> {
        let (id, signed, pair) = (from.u32()?, load_signed(from)?, Pair::load(from)?);
        Ok(Self { id, pair, signed })
    }
}

impl OneTimePrekey {
    fn save(&self, to: &mut RecordWriter) {
        to.u32(self.id).u64(self.created.0);
        self.pair.save(to);
        to.option(self.unpublished.as_ref(), |to, signed| {
            to.bytes(&encode(signed));
        });
    }

    fn load(from: &mut RecordReader<'_>) -> Result<Self, RecordError> {
        let (id, created, pair) = (from.u32()?, Timestamp(from.u64()?), Pair::load(from)?);
        Ok(Self { id, pair, created, unpublished: from.option(load_signed)? })
    }
}

impl Pair {
    fn save(&self, to: &mut RecordWriter) {
        to.fixed(self.dh.secret().expose()).fixed(self.kem.seed());
    }

    fn load(from: &mut RecordReader<'_>) -> Result<Self, RecordError> {
        let dh = DhSecret::from_secret(from.secret()?);
        Ok(Self { dh, kem: KemSecret::from_seed(from.array()?) })
    }
}

fn load_retired(from: &mut RecordReader<'_>) -> Result<(Timestamp, SignedPrekey), RecordError> {
    Ok((Timestamp(from.u64()?), SignedPrekey::load(from)?))
}

fn load_signed(from: &mut RecordReader<'_>) -> Result<Signed, RecordError> {
    decode(from.bytes(limits::SIGNED_MAX)?).map_err(|_| RecordError::Range)
}

fn load_seen(from: &mut RecordReader<'_>) -> Result<Seen, RecordError> {
    Ok(Seen { transcript: from.array()?, spk_id: from.u32()?, one_time: from.bool()? })
}
