use super::*;
use crate::domain::log::sample::{SampleDay, SampleLog, Signer, day, owner, text};

#[test]
fn statement_is_read_back_and_signed_as_text() {
    let log = SampleLog::new(&[1, 2], 0);
    let [first, second] = [&log.days[0], &log.days[1]];
    for sealed in [first, second] {
        let read = SealStatement::parse(&sealed.seal.statement).unwrap();
        assert_eq!(read, sealed.statement);
        assert!(log.signer.key.verifies(&sealed.seal.statement, &sealed.seal.signature));
    }
    assert_eq!(first.statement.previous, None);
    let before = SealHash::new(day(0), &first.seal.statement);
    assert_eq!(second.statement.previous, Some(before));
    assert_eq!((second.statement.persons, second.statement.entries), (41, 82));
}

#[test]
fn statement_of_another_form_is_refused() {
    let text = SampleLog::new(&[1, 1], 0).days[1].seal.statement.clone();
    for wrong in [
        "",
        "{}",
        &text.replace("ias-seal-v1", "ias-receipt-v1"),
        &text.replacen('{', "{\"other\":1,", 1),
        &text.replacen('{', "{\"stack\":\"ias\",", 1),
        &text.replace("2026-11-21", "2026-11-31"),
        &format!("{text}{text}"),
    ] {
        assert_eq!(SealStatement::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn order_of_persons_does_not_change_the_seal() {
    let leaves = ["one", "two", "three"].map(crate::domain::log::leaf);
    let seal = |owners: &[&str]| {
        let mut shard = ShardEntries::default();
        for name in owners {
            leaves.iter().for_each(|leaf| shard.add(owner(name), *leaf));
        }
        shard.seal(day(0))
    };
    assert_eq!(seal(&["ann", "bob", "cleo"]), seal(&["cleo", "ann", "bob"]));
    assert_eq!(seal(&["ann", "bob"]).summary().entries, 6);
    assert_ne!(seal(&["ann"]).summary().root, seal(&["bob"]).summary().root);
}

#[test]
fn any_other_entry_or_day_changes_the_root() {
    let (signer, nora) = (Signer::new(), owner("nora"));
    let root = |number: usize, texts: &[String]| {
        let sealed = SampleDay::new(day(number), &nora, texts.to_vec(), None, &signer);
        sealed.statement.root
    };
    let texts = [text(0, 0), text(0, 1)];
    let swapped = [text(0, 1), text(0, 0)];
    let roots = [
        root(0, &texts),
        root(0, &swapped),
        root(0, &texts[..1]),
        root(0, &[]),
        root(1, &texts),
    ];
    let distinct: std::collections::BTreeSet<_> = roots.iter().collect();
    assert_eq!(distinct.len(), roots.len());
    assert_eq!(root(0, &texts), roots[0]);
}

/// The data of the levels begins with different tags, so the bytes of a lower level never serve as a higher one.
#[test]
fn leaf_of_one_level_never_equals_a_leaf_of_another() {
    let (hash, zero) = (LogHash::of(&[b"a"]), LogHash::of(&[b"b"]));
    let person = hash_person_day(hash, zero);
    let shard = hash_shard(0, 0, hash);
    let entry = |data: &[&[u8]]| crate::domain::log::tree::hash_leaf(&[b"ias-entry-v1\n", &data.concat()]);
    assert_ne!(person, entry(&[hash.as_bytes(), zero.as_bytes()]));
    assert_ne!(shard, entry(&[&[0; 9], hash.as_bytes()]));
    assert_ne!(person, shard);
    assert_ne!(hash_shard(0, 1, hash), hash_shard(1, 0, hash));
    assert_ne!(hash_entries(&[]), hash_entries(&[root(&[])]));
}
