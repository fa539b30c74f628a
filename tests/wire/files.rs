//! Sealed files, trees, have-maps, references, offers and names against tests/vectors/files.json,
//! which tests/vectors/files.py computes in another language, BLAKE3's tree included. PROTOCOL.md
//! shows some of these bytes.

use core::convert::Infallible;

use data_encoding::HEXLOWER;
use hubbub_shared::blob::open::Opener;
use hubbub_shared::blob::seal::{Scratch, Sealing};
use hubbub_shared::blob::serve::Source;
use hubbub_shared::blob::{Blob, HaveMap, MemoryNodes, Nodes, Shape};
use hubbub_shared::content::{FileName, FileOffer, FileRef};
use hubbub_shared::crypto::Secret32;
use hubbub_shared::crypto::stream::FileKey;
use hubbub_shared::id::BlobId;
use serde_json::Value;

use crate::script::Script;

fn vectors(kind: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("../vectors/files.json")).unwrap();
    all[kind].as_array().unwrap().clone()
}

fn bytes(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().unwrap().clone()
}

fn numbers(value: &Value) -> Vec<u32> {
    list(value).iter().map(|n| u32::try_from(n.as_u64().unwrap()).unwrap()).collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn content(size: u64) -> Vec<u8> {
    let mut out = vec![0; usize::try_from(size).unwrap()];
    let seed = format!("test vector: content {size}");
    blake3::Hasher::new().update(seed.as_bytes()).finalize_xof().fill(&mut out);
    out
}

fn key(file: &Value) -> FileKey {
    FileKey::from_parts(Secret32::from_bytes(array(&file["key"])), array(&file["salt"]))
}

fn blob(file: &Value) -> Blob {
    let shape = Shape::of_sealed(number(&file["sealed"])).unwrap();
    Blob { address: BlobId(array(&file["address"])), shape }
}

fn part(content: &[u8], (from, len): (u64, usize)) -> &[u8] {
    let from = usize::try_from(from).unwrap();
    &content[from..from + len]
}

/// Seals a content with the key of a vector.
fn sealed(file: &Value, content: &[u8]) -> (Blob, FileKey, MemoryNodes) {
    let mut script = Script([bytes(&file["key"]), bytes(&file["salt"])].concat());
    let size = number(&file["size"]);
    let mut sealing = Sealing::begin::<Infallible>(size, &mut script).unwrap();
    let (mut nodes, mut scratch) = (MemoryNodes::default(), Scratch::default());
    for index in 0..u32::try_from(sealing.shape().pieces()).unwrap() {
        let part = part(content, sealing.content(index).unwrap());
        let leaf = sealing.leaf::<Infallible>(index, part, &mut scratch).unwrap();
        sealing.push(&leaf, &mut nodes).unwrap();
    }
    let (blob, key) = sealing.finish::<Infallible>().unwrap();
    (blob, key, nodes)
}

#[test]
fn a_sealed_file_has_the_bytes_another_implementation_makes() {
    for file in vectors("files") {
        let (size, content) = (number(&file["size"]), content(number(&file["size"])));
        let (made, key, nodes) = sealed(&file, &content);
        assert_eq!(made, blob(&file), "{size}");
        assert_eq!(made.shape, Shape::of(size).unwrap());
        assert_eq!(made.shape.padded(), number(&file["padded"]));
        let source = Source::new(made, &key, size).unwrap();
        let mut whole = Vec::new();
        for (index, expected) in (0..).zip(list(&file["pieces"])) {
            let before = whole.len();
            let part = part(&content, source.content(index).unwrap());
            source.piece(&nodes, index, part, &mut whole).unwrap();
            assert_eq!(blake3::hash(&whole[before..]).as_bytes(), &array(&expected), "{index}");
        }
        assert_eq!(whole.len() as u64, number(&file["sealed"]));
        assert_eq!(whole[..32], bytes(&file["commit"]));
        assert_eq!(whole[..64], bytes(&file["first_64"]));
        assert_eq!(whole[whole.len() - 16..], bytes(&file["last_16"]));
    }
}

#[test]
fn a_tree_has_the_parents_another_implementation_makes() {
    for file in vectors("files") {
        let (blob, _, nodes) = sealed(&file, &content(number(&file["size"])));
        let parents = list(&file["parents"]);
        assert_eq!(parents.len() as u64 + 1, blob.shape.pieces());
        for (split, expected) in (1..).zip(&parents) {
            let parent = nodes.parent(split).unwrap().unwrap();
            assert_eq!(parent.to_bytes(), array(expected), "{split}");
        }
        for (index, expected) in (0..).zip(list(&file["paths"])) {
            let way: Vec<u32> = blob.shape.path(index).map(|step| step.split).collect();
            assert_eq!(way, numbers(&expected), "{index}");
        }
    }
}

#[test]
fn what_another_implementation_seals_verifies_and_opens() {
    for file in vectors("files") {
        let (size, expected) = (number(&file["size"]), content(number(&file["size"])));
        let (blob, parents) = (blob(&file), list(&file["parents"]));
        let (made, key_made, made_nodes) = sealed(&file, &expected);
        let source = Source::new(made, &key_made, size).unwrap();
        let opener = Opener::new(&blob, &key(&file), size).unwrap();
        let (mut nodes, mut out) = (MemoryNodes::default(), Vec::new());
        // From the end, each with all of its parents, as the vector has them.
        for (index, way) in (0u32..).zip(list(&file["paths"])).collect::<Vec<_>>().into_iter().rev()
        {
            let above: Vec<u8> =
                numbers(&way).iter().flat_map(|at| bytes(&parents[*at as usize - 1])).collect();
            let mut piece = Vec::new();
            let part = part(&expected, source.content(index).unwrap());
            source.piece(&made_nodes, index, part, &mut piece).unwrap();
            let piece = blob.accept(&mut nodes, index, &above, &piece).unwrap();
            opener.open(&piece, &mut out).unwrap();
            assert_eq!(out, part, "{size} {index}");
        }
    }
}

#[test]
fn have_maps_agree_both_ways() {
    for case in vectors("have") {
        let (pieces, told) = (number(&case["pieces"]), bytes(&case["told"]));
        let map = HaveMap::decode(pieces, &told).unwrap();
        let runs: Vec<Vec<u32>> = map.runs().map(|(first, last)| vec![first, last]).collect();
        let expected: Vec<Vec<u32>> = list(&case["runs"]).iter().map(numbers).collect();
        assert_eq!(runs, expected);
        assert_eq!(map.encode(), told);
    }
}

#[test]
fn references_agree_both_ways() {
    let files = vectors("files");
    for case in vectors("references") {
        let (record, size) = (bytes(&case["record"]), number(&case["of"]));
        let file = files.iter().find(|file| number(&file["size"]) == size).unwrap();
        let name = FileName::harmless(case["name"].as_str().unwrap()).unwrap();
        let made = FileRef::new(blob(file), size, key(file), name).unwrap();
        let mut made = made.with_media(case["media"].as_str().unwrap()).unwrap();
        if !case["preview"].is_null() {
            made = made.with_preview(bytes(&case["preview"])).unwrap();
        }
        assert_eq!(made.encode().expose(), record);
        let again = FileRef::decode(&record).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((again.blob(), again.size()), (blob(file), size));
        assert_eq!(again.encode().expose(), record);
    }
}

#[test]
fn offers_agree_both_ways() {
    for case in vectors("offers") {
        let reference = FileRef::decode(&bytes(&case["record"])).unwrap_or_else(|e| panic!("{e}"));
        let caption = case["caption"].as_str().unwrap();
        let mut made = FileOffer::new(reference, caption).unwrap();
        if let Some(manifest) = case["manifest"].as_u64() {
            made = made.with_folder(u32::try_from(manifest).unwrap()).unwrap();
        }
        assert_eq!(made.encode().expose(), bytes(&case["fields"]));
        let again = FileOffer::decode(&bytes(&case["fields"])).unwrap_or_else(|e| panic!("{e}"));
        assert!(again == made);
    }
}

#[test]
fn names_are_cleaned_alike() {
    for case in vectors("names") {
        let typed = case["typed"].as_str().unwrap();
        assert_eq!(FileName::clean(typed).as_str(), case["name"].as_str().unwrap(), "{typed:?}");
    }
}
