//! ML-KEM-768 as we use it, against an implementation by other people: each opens what the other
//! sealed, and both answer garbage with the same secret.

#![allow(deprecated)] // a key's expanded form is no longer advised; it is the only one both know

use aws_lc_rs::kem::{Ciphertext, DecapsulationKey, EncapsulationKey, ML_KEM_768};
use hubbub_shared::crypto::exchange::{KemCiphertext, KemPublic, KemSecret, encapsulate};
use ml_kem::{DecapsulationKey768, ExpandedKeyEncoding, Seed};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

const ROUNDS: u64 = 100;

/// Our key as the other implementation reads it: expanded from the seed we keep.
fn theirs(key: &KemSecret) -> DecapsulationKey {
    let expanded = DecapsulationKey768::from_seed(Seed::from(*key.seed())).to_expanded_bytes();
    DecapsulationKey::new(&ML_KEM_768, &expanded).unwrap()
}

fn opened_by_them(key: &DecapsulationKey, ct: &KemCiphertext) -> Vec<u8> {
    key.decapsulate(Ciphertext::from(ct.as_bytes())).unwrap().as_ref().to_vec()
}

#[test]
fn what_we_encapsulate_they_open() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for _ in 0..ROUNDS {
        let key = DecapsulationKey::generate(&ML_KEM_768).unwrap();
        let public = key.encapsulation_key().unwrap().key_bytes().unwrap().as_ref().to_vec();
        let (ct, shared) = encapsulate(&KemPublic::from_slice(&public).unwrap(), &mut rng).unwrap();
        assert_eq!(opened_by_them(&key, &ct), shared.expose());
    }
}

#[test]
fn what_they_encapsulate_we_open() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    for _ in 0..ROUNDS {
        let key = KemSecret::generate(&mut rng);
        let public = EncapsulationKey::new(&ML_KEM_768, key.public().as_bytes()).unwrap();
        let (ct, shared) = public.encapsulate().unwrap();
        let ct = KemCiphertext::from_slice(ct.as_ref()).unwrap();
        assert_eq!(key.decapsulate(&ct).expose(), shared.as_ref());
    }
}

#[test]
fn garbage_and_altered_ciphertexts_give_both_the_same_unrelated_secret() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    for round in 0..ROUNDS {
        let key = KemSecret::generate(&mut rng);
        let (sealed, shared) = encapsulate(&key.public(), &mut rng).unwrap();
        let mut garbage = vec![0; KemCiphertext::LEN];
        rng.fill_bytes(&mut garbage);
        let mut altered = sealed.as_bytes().to_vec();
        let bit = usize::try_from(rng.next_u64()).unwrap() % (KemCiphertext::LEN * 8);
        altered[bit / 8] ^= 1 << (bit % 8);
        let mut seen = vec![shared.expose().to_vec()];
        for bytes in [garbage, altered] {
            let ct = KemCiphertext::from_slice(&bytes).unwrap();
            let ours = key.decapsulate(&ct).expose().to_vec();
            assert_eq!(ours, opened_by_them(&theirs(&key), &ct), "round {round}");
            assert!(!seen.contains(&ours), "round {round}");
            seen.push(ours);
        }
        // The comparison above would also pass if we had given them another key.
        assert_eq!(opened_by_them(&theirs(&key), &sealed), shared.expose());
    }
}

#[test]
fn a_key_with_a_coefficient_out_of_range_is_refused_by_both() {
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    for _ in 0..ROUNDS {
        let mut bytes = KemSecret::generate(&mut rng).public().as_bytes().to_vec();
        // Two coefficients of twelve bits lie in three bytes; 0xfff is above 3,328.
        let at = usize::try_from(rng.next_u64()).unwrap() % 384 * 3;
        bytes[at..at + 3].fill(0xff);
        assert!(KemPublic::from_slice(&bytes).unwrap().check().is_err());
        let key = EncapsulationKey::new(&ML_KEM_768, &bytes);
        assert!(key.map_or(true, |key| key.encapsulate().is_err()));
    }
}
