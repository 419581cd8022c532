use super::*;

/// Data and roots of RFC 6962's reference implementation, from github.com/transparency-dev/merkle
/// (`testonly/constants.go`).
const DATA: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/// Index, size and path (`cmd/proofgen/main.go` there, which counts the index from 1).
const PATHS: [(usize, usize, &[&str]); 5] = [
    (0, 1, &[]),
    (
        0,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        &[
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        3,
        &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    ),
    (
        1,
        5,
        &[
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];

fn leaves(count: usize) -> Vec<LogHash> {
    let data = DATA.iter().take(count).map(|hex| hex::decode(hex).unwrap());
    data.map(|data| hash_leaf(&[&data])).collect()
}

fn numbered(count: u64) -> Vec<LogHash> {
    (0..count).map(|n| hash_leaf(&[&n.to_be_bytes()])).collect()
}

#[test]
fn roots_match_known_answers_of_rfc_6962() {
    for (size, expected) in ROOTS.iter().enumerate() {
        assert_eq!(root(&leaves(size)).to_string(), *expected, "size {size}");
    }
}

#[test]
fn paths_match_known_answers_of_rfc_6962() {
    for (index, size, expected) in PATHS {
        let leaves = leaves(size);
        let path = path(&leaves, index);
        assert_eq!(path.iter().map(LogHash::to_string).collect::<Vec<_>>(), expected);
        let climbed = climb(leaves[index], index as u64, size as u64, &path).unwrap();
        assert_eq!(climbed.to_string(), ROOTS[size]);
    }
}

#[test]
fn every_path_leads_to_the_root() {
    for size in 1..70_u64 {
        let leaves = numbered(size);
        for (index, leaf) in leaves.iter().enumerate() {
            let path = path(&leaves, index);
            assert_eq!(climb(*leaf, index as u64, size, &path), Some(root(&leaves)));
        }
    }
}

/// Paths of another length fail even if their hashes would lead to the root, such as that of an inner node.
#[test]
fn path_for_another_place_or_size_never_leads_to_the_root() {
    for size in 1..20_u64 {
        let leaves = numbered(size);
        let root = root(&leaves);
        for (index, leaf) in leaves.iter().enumerate() {
            let path = path(&leaves, index);
            for other in (0..=size).filter(|other| *other != index as u64) {
                assert_ne!(
                    climb(*leaf, other, size, &path),
                    Some(root),
                    "{index} as {other} of {size}"
                );
            }
            let longer = [path.as_slice(), &[root]].concat();
            assert_ne!(climb(*leaf, index as u64, size, &longer), Some(root));
            if let Some((first, rest)) = path.split_first() {
                let inner = if index % 2 == 0 {
                    hash_node(*leaf, *first)
                } else {
                    hash_node(*first, *leaf)
                };
                assert_ne!(
                    climb(inner, index as u64, size, rest),
                    Some(root),
                    "inner node of {index} in {size}"
                );
            }
        }
    }
}

#[test]
fn hostile_path_ends_without_a_root() {
    let leaf = hash_leaf(&[b"leaf"]);
    let long = vec![leaf; 1_000_000];
    for size in [0, 1, 2, u64::MAX] {
        assert_eq!(climb(leaf, size.saturating_sub(1), size, &long), None);
        assert_eq!(climb(leaf, size, size, &[]), None);
    }
    assert!(climb(leaf, 0, u64::MAX, &long[..64]).is_some());
}

#[test]
fn leaf_never_equals_an_inner_node() {
    let [left, right] = [hash_leaf(&[b"left"]), hash_leaf(&[b"right"])];
    let data = [left.as_bytes().as_slice(), right.as_bytes()];
    assert_ne!(hash_leaf(&data), hash_node(left, right));
    assert_ne!(LogHash::of(&data), hash_node(left, right));
}

#[test]
fn hash_is_read_only_from_64_hex_digits() {
    let text = ROOTS[3];
    let hash: LogHash = serde_json::from_value(serde_json::json!(text)).unwrap();
    assert_eq!(serde_json::json!(hash), text);
    for wrong in ["", &text[1..], &format!("{text}0"), &text.replace('a', "x")] {
        assert!(LogHash::try_from(wrong.to_owned()).is_err(), "{wrong}");
    }
}
