//! Hiding lengths: what is sealed has one of few sizes.
//!
//! Small messages share a handful of buckets; above the last one, Padmé's rounding costs at most
//! twelve per cent and leaks a few bits of the logarithm. Invariant: a padded text is exactly as
//! long as its content asks for, so there is one padded form of every content.

use super::secret::SecretBytes;

/// Sizes small messages are rounded up to, in bytes.
pub const BUCKETS: [usize; 5] = [160, 512, 1024, 2048, 4096];

const END: u8 = 0x80;
/// Zeros looked at together when padding comes off.
const RUN: usize = 32;

/// Padding that is not what [`pad`] makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the padding is malformed; the sender runs a broken version")]
pub struct BadPadding;

/// `plain || 0x80 || 0x00..` up to the next size (PROTOCOL.md, Padding).
#[must_use]
pub fn pad(plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(padded_len(plain.len()));
    pad_onto(&mut out, plain);
    out
}

/// Appends what [`pad`] makes: [`padded_len`] bytes.
pub(super) fn pad_onto(out: &mut Vec<u8>, plain: &[u8]) {
    let end = out.len() + padded_len(plain.len());
    out.extend_from_slice(plain);
    out.push(END);
    out.resize(end, 0);
}

/// Takes the padding off a secret where it stands, without a second copy of it.
///
/// # Errors
/// [`BadPadding`] unless [`pad`] made it.
pub fn strip(mut padded: SecretBytes) -> Result<SecretBytes, BadPadding> {
    let len = unpad(padded.expose())?.len();
    padded.truncate(len);
    Ok(padded)
}

/// The content of a padded text.
///
/// # Errors
/// [`BadPadding`] unless [`pad`] made it.
pub fn unpad(padded: &[u8]) -> Result<&[u8], BadPadding> {
    // Whole runs of zeros first: there can be thousands.
    let zeros = padded.rchunks_exact(RUN).take_while(|run| *run == [0; RUN]).count() * RUN;
    let rest = padded.get(..padded.len() - zeros).ok_or(BadPadding)?;
    let end = rest.iter().rposition(|b| *b != 0).ok_or(BadPadding)?;
    if padded.get(end) != Some(&END) || padded.len() != padded_len(end) {
        return Err(BadPadding);
    }
    padded.get(..end).ok_or(BadPadding)
}

/// How long `len` bytes of content become.
#[must_use]
pub fn padded_len(len: usize) -> usize {
    let need = len.saturating_add(1);
    let above = || u64::try_from(need).map(padme).ok().and_then(|size| size.try_into().ok());
    BUCKETS.into_iter().find(|b| *b >= need).or_else(above).unwrap_or(need)
}

/// Rounds up so that only the logarithm and its own few leading bits remain (Nikitin et al.,
/// PURBs).
#[must_use]
pub fn padme(len: u64) -> u64 {
    let Some(exponent) = len.checked_ilog2() else { return len };
    let Some(kept) = exponent.checked_ilog2().map(|bits| bits + 1) else { return len };
    let mask = (1_u64 << exponent.saturating_sub(kept)) - 1;
    len.checked_add(mask).map_or(len, |sum| sum & !mask)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn small_sizes_are_the_buckets_alone() {
        assert_eq!((padded_len(0), padded_len(159), padded_len(160)), (160, 160, 512));
        assert_eq!((padded_len(4095), padded_len(4096)), (4096, 4352));
    }

    #[test]
    fn texts_nobody_pads_to_are_refused() {
        let mut unended = pad(b"hi");
        unended[2] = 0x81;
        for bad in
            [&[][..], &[0; 160], &unended, &pad(b"hi")[..159], &[pad(b"hi"), vec![0]].concat()]
        {
            assert_eq!(unpad(bad), Err(BadPadding));
        }
    }

    #[test]
    fn a_text_padded_into_too_large_a_bucket_is_refused() {
        let mut roomy = pad(&[1; 200]);
        roomy[2..].fill(0);
        roomy[2] = END;
        assert_eq!(unpad(&roomy), Err(BadPadding));
    }

    proptest! {
        #[test]
        fn padding_comes_off_and_costs_at_most_an_eighth(
            plain in prop::collection::vec(any::<u8>(), 0..20_000),
        ) {
            let padded = pad(&plain);
            prop_assert_eq!(unpad(&padded), Ok(&plain[..]));
            let stripped = strip(SecretBytes::from_vec(padded.clone())).unwrap();
            prop_assert_eq!(stripped.expose(), &plain[..]);
            prop_assert!(padded.len() > plain.len());
            if plain.len() > 4096 {
                prop_assert!(padded.len() - plain.len() <= plain.len() / 8 + 1);
            }
        }

        #[test]
        fn larger_content_never_gets_a_smaller_size(a in 0_usize..1 << 40, b in 0_usize..1 << 40) {
            prop_assert!(padded_len(a.min(b)) <= padded_len(a.max(b)));
        }
    }
}
