//! The binary form of states that hold secrets: explicit, length-prefixed, versioned.
//!
//! There is no serde here on purpose: a secret that can be serialised by derive ends up in a log or
//! a JSON answer sooner or later. Integers are big-endian; bytes carry a `u32` length. What was not
//! written by [`RecordWriter`] is refused, and nothing is allocated on a record's word.

use zeroize::Zeroize;

use super::secret::{Secret32, SecretBytes};

/// Why a record could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It ends before its last field.
    #[error("the record ends early; it was cut short or damaged")]
    Short,
    /// It was written by another version.
    #[error("the record has version {0}, which this program does not know; a newer one may")]
    Version(u8),
    /// A field is larger than it may be, or says what it may not.
    #[error("a field of the record is out of range; it was damaged")]
    Range,
    /// Bytes follow its last field.
    #[error("the record is longer than it should be; it was damaged")]
    Trailing,
}

/// Writes a record field by field. Growing never leaves a copy of the secret part behind.
pub struct RecordWriter(Vec<u8>);

impl RecordWriter {
    /// Starts a record of this version.
    #[must_use]
    pub fn new(version: u8) -> Self {
        let mut writer = Self(Vec::with_capacity(512));
        writer.put(&[version]);
        writer
    }

    /// Appends one byte.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.put(&[value])
    }

    /// Appends a yes or no.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.put(&[u8::from(value)])
    }

    /// Appends four bytes.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.put(&value.to_be_bytes())
    }

    /// Appends eight bytes.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.put(&value.to_be_bytes())
    }

    /// Appends bytes with their length.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        #[allow(clippy::expect_used)] // no state comes near 4 GiB: every part is bounded
        let len = u32::try_from(value.len()).expect("a record field is below 4 GiB");
        self.u32(len);
        self.put(value)
    }

    /// Appends bytes whose length both sides know.
    pub fn fixed(&mut self, value: &[u8]) -> &mut Self {
        self.put(value)
    }

    /// Appends a count of what follows.
    pub fn count(&mut self, value: usize) -> &mut Self {
        #[allow(clippy::expect_used)] // every collection that is saved is bounded far below
        let count = u32::try_from(value).expect("a record counts below 4 billion");
        self.u32(count)
    }

    /// Appends whether a field is there, and the field if it is.
    pub fn option<T>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Self, &T)) -> &mut Self {
        self.bool(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
        self
    }

    /// The finished record.
    #[must_use]
    pub fn finish(mut self) -> SecretBytes {
        SecretBytes::from_vec(core::mem::take(&mut self.0))
    }

    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        let need = self.0.len().saturating_add(bytes.len());
        if need > self.0.capacity() {
            let mut larger = Vec::with_capacity(need.saturating_mul(2));
            larger.extend_from_slice(&self.0);
            self.0.zeroize();
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
        self
    }
}

impl Drop for RecordWriter {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Reads what [`RecordWriter`] wrote, in the same order, and nothing else.
pub struct RecordReader<'a>(&'a [u8]);

impl<'a> RecordReader<'a> {
    /// Starts reading a record of exactly this version.
    ///
    /// # Errors
    /// [`RecordError::Version`] for any other version, [`RecordError::Short`] for an empty record.
    pub fn new(record: &'a [u8], version: u8) -> Result<Self, RecordError> {
        let mut reader = Self(record);
        match reader.u8()? {
            found if found == version => Ok(reader),
            found => Err(RecordError::Version(found)),
        }
    }

    /// Starts reading a record of any version up to `newest`, and says which it has.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn up_to(record: &'a [u8], newest: u8) -> Result<(Self, u8), RecordError> {
        let mut reader = Self(record);
        match reader.u8()? {
            found if (1..=newest).contains(&found) => Ok((reader, found)),
            found => Err(RecordError::Version(found)),
        }
    }

    /// One byte.
    ///
    /// # Errors
    /// [`RecordError::Short`] when the record has ended.
    pub fn u8(&mut self) -> Result<u8, RecordError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A yes or no.
    ///
    /// # Errors
    /// [`RecordError::Range`] for anything but 0 and 1.
    pub fn bool(&mut self) -> Result<bool, RecordError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(RecordError::Range),
        }
    }

    /// Four bytes.
    ///
    /// # Errors
    /// [`RecordError::Short`] when the record has ended.
    pub fn u32(&mut self) -> Result<u32, RecordError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Eight bytes.
    ///
    /// # Errors
    /// [`RecordError::Short`] when the record has ended.
    pub fn u64(&mut self) -> Result<u64, RecordError> {
        self.array().map(u64::from_be_bytes)
    }

    /// Bytes with their length, at most `max` of them.
    ///
    /// # Errors
    /// [`RecordError::Range`] when the length is above `max`, [`RecordError::Short`] when the
    /// record ends first.
    pub fn bytes(&mut self, max: usize) -> Result<&'a [u8], RecordError> {
        let len = self.count(max)?;
        self.take(len)
    }

    /// A count of what follows, at most `max`.
    ///
    /// # Errors
    /// [`RecordError::Range`] when it is above `max`.
    pub fn count(&mut self, max: usize) -> Result<usize, RecordError> {
        let count = usize::try_from(self.u32()?).map_err(|_| RecordError::Range)?;
        if count > max { Err(RecordError::Range) } else { Ok(count) }
    }

    /// Bytes whose length both sides know.
    ///
    /// # Errors
    /// [`RecordError::Short`] when the record has ended.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        self.take(N)?.try_into().map_err(|_| RecordError::Short)
    }

    /// A secret of 32 bytes.
    ///
    /// # Errors
    /// [`RecordError::Short`] when the record has ended.
    pub fn secret(&mut self) -> Result<Secret32, RecordError> {
        let bytes = self.take(32)?;
        Ok(Secret32::filled(|out| out.copy_from_slice(bytes)))
    }

    /// What [`RecordWriter::option`] wrote.
    ///
    /// # Errors
    /// As `read`, and [`RecordError::Range`] when neither presence nor absence is written.
    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, RecordError>,
    ) -> Result<Option<T>, RecordError> {
        if self.bool()? { read(self).map(Some) } else { Ok(None) }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`RecordError::Trailing`] when bytes are left.
    pub fn finish(self) -> Result<(), RecordError> {
        if self.0.is_empty() { Ok(()) } else { Err(RecordError::Trailing) }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], RecordError> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(RecordError::Short)?;
        self.0 = rest;
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> SecretBytes {
        let mut w = RecordWriter::new(3);
        w.u8(7).bool(true).u32(8).u64(9).bytes(&[1; 700]).fixed(&[5; 32]);
        w.finish()
    }

    fn read(record: &[u8]) -> Result<(), RecordError> {
        let mut r = RecordReader::new(record, 3)?;
        assert_eq!((r.u8()?, r.bool()?, r.u32()?, r.u64()?), (7, true, 8, 9));
        assert_eq!(r.bytes(700)?, &[1; 700]);
        assert_eq!(r.secret()?.expose(), &[5; 32]);
        r.finish()
    }

    #[test]
    fn what_was_written_is_read() {
        assert_eq!(read(sample().expose()), Ok(()));
    }

    #[test]
    fn every_cut_and_every_extra_byte_is_refused() {
        let whole = sample();
        for end in 0..whole.len() {
            assert_eq!(read(&whole.expose()[..end]), Err(RecordError::Short));
        }
        let longer = [whole.expose(), &[0]].concat();
        assert_eq!(read(&longer), Err(RecordError::Trailing));
    }

    #[test]
    fn a_declared_length_beyond_the_bound_is_refused_before_reading() {
        let mut w = RecordWriter::new(1);
        w.u32(u32::MAX);
        let record = w.finish();
        let mut r = RecordReader::new(record.expose(), 1).unwrap();
        assert_eq!(r.bytes(64), Err(RecordError::Range));
    }

    #[test]
    fn another_version_is_refused_by_number() {
        assert_eq!(read(&[4]), Err(RecordError::Version(4)));
    }

    #[test]
    fn a_reader_of_several_versions_says_which_and_refuses_those_beyond() {
        let version = |record: &[u8]| RecordReader::up_to(record, 2).map(|(_, version)| version);
        assert_eq!((version(&[1]), version(&[2])), (Ok(1), Ok(2)));
        for other in [0, 3] {
            assert_eq!(version(&[other]), Err(RecordError::Version(other)));
        }
        assert_eq!(version(&[]), Err(RecordError::Short));
    }
}
