//! Increments and appends, to the edges.

use proptest::prelude::*;
use prost_types::value::Kind;
use tenure::session::limits::Limits;
use tenure::session::refusal::Refusal;
use tenure::session::state::{LARGEST_INTEGER, Patch, State};

use crate::support::values::{decoded, list, number, state, tail, value};

fn incremented(before: &State, by: i64) -> Result<(State, i64), Refusal> {
    let patch = Patch {
        increment: vec![("n".into(), by)],
        ..Patch::default()
    };
    let (after, sums) = before.patched(&patch, &Limits::default())?;
    assert_eq!(sums.len(), 1);
    Ok((after, sums[0].1))
}

/// Integers near every edge there is.
fn edge() -> impl Strategy<Value = i64> {
    let edges = vec![
        0,
        LARGEST_INTEGER,
        -LARGEST_INTEGER,
        i64::from(i32::MAX),
        1 << 52,
    ];
    (proptest::sample::select(edges), -3..=3_i64).prop_map(|(edge, off)| edge + off)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn increments_are_exact_or_refused(
        start in edge(),
        by in prop_oneof![edge(), any::<i64>(), Just(i64::MIN), Just(i64::MAX)],
    ) {
        #[expect(clippy::cast_precision_loss, reason = "that is the point")]
        let before = state(&[("n", number(start as f64))]);
        let answer = incremented(&before, by);
        let sum = i128::from(start) + i128::from(by);
        let exact = |n: i128| n.abs() <= i128::from(LARGEST_INTEGER);
        if !exact(i128::from(start)) {
            prop_assert_eq!(answer, Err(Refusal::NotAnInteger));
        } else if exact(sum) {
            let (after, told) = answer.expect("an exact sum");
            prop_assert_eq!(i128::from(told), sum);
            #[expect(clippy::cast_precision_loss, reason = "exact within the bound")]
            let expected = number(told as f64);
            prop_assert_eq!(&decoded(&after)["n"], &expected);
        } else {
            prop_assert_eq!(answer, Err(Refusal::IntegerOutOfRange));
        }
    }

    #[test]
    fn appends_keep_the_newest(
        parts in proptest::collection::vec(
            (proptest::collection::vec(-9.0..9.0_f64, 0..6), proptest::option::of(1..8_usize)),
            1..10,
        ),
    ) {
        let mut kept = State::default();
        let mut expected = Vec::new();
        for (numbers, max_length) in parts {
            let patch = Patch {
                append: vec![("l".into(), tail(&numbers, max_length))],
                ..Patch::default()
            };
            kept = kept.patched(&patch, &Limits::default()).expect("a list").0;
            expected.extend(numbers);
            if let Some(max_length) = max_length {
                expected.drain(..expected.len().saturating_sub(max_length));
            }
            prop_assert_eq!(&decoded(&kept)["l"], &list(&expected));
        }
    }

    #[test]
    fn other_keys_stay_as_they_are(keys in proptest::collection::btree_set("[a-z]{1,3}", 1..20)) {
        let entries: Vec<_> = keys.iter().map(|key| (key.as_str(), number(1.0))).collect();
        let before = state(&entries);
        let removed = keys.iter().next().expect("a key").clone();
        let patch = Patch {
            set: Some(state(&[("NEW", number(2.0))])),
            remove: vec![removed.as_str().into()],
            ..Patch::default()
        };
        let (after, _) = before.patched(&patch, &Limits::default()).expect("a sound patch");
        let mut expected = decoded(&before);
        expected.remove(&removed);
        expected.insert("NEW".into(), number(2.0));
        prop_assert_eq!(decoded(&after), expected);
        prop_assert!(after.len_bytes() <= before.len_bytes() + patch.len_bytes());
    }
}

#[test]
fn only_integers_are_incremented() {
    for not_one in [
        number(0.5),
        number(-1e300),
        value(Kind::NullValue(0)),
        value(Kind::BoolValue(true)),
        value(Kind::StringValue("1".into())),
        list(&[]),
    ] {
        let before = state(&[("n", not_one)]);
        assert_eq!(incremented(&before, 1), Err(Refusal::NotAnInteger));
    }
    let zero = state(&[("n", number(-0.0))]);
    assert_eq!(incremented(&zero, 5).expect("an integer").1, 5);
    let missing = incremented(&State::default(), -3).expect("from nothing");
    assert_eq!(missing.1, -3);
}

#[test]
fn one_key_stands_in_one_place() {
    let patch = Patch {
        set: Some(state(&[("a", number(1.0))])),
        append: vec![("a".into(), tail(&[1.0], None))],
        ..Patch::default()
    };
    let refused = patch.check(&Limits::default());
    assert!(matches!(
        refused,
        Err(Refusal::Invalid {
            field: "append",
            ..
        })
    ));
}
