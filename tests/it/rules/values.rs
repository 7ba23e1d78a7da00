//! Values from anybody: never a panic, and what is accepted everybody reads alike.

use std::collections::BTreeMap;

use proptest::prelude::*;
use prost::Message as _;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use tenure::session::limits::{LimitName, Limits};
use tenure::session::refusal::Refusal;
use tenure::session::state::{State, Tail};

use crate::support::values::value;

/// Few levels, so that random values are often too deep.
fn limits() -> Limits {
    Limits {
        state_depth: 4,
        ..Limits::default()
    }
}

fn accept(bytes: &[u8]) -> Result<State, Refusal> {
    State::from_wire(bytes, "state", &limits())
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Kind::NullValue(0)),
        any::<f64>().prop_map(Kind::NumberValue),
        "\\PC{0,8}".prop_map(Kind::StringValue),
        any::<bool>().prop_map(Kind::BoolValue),
    ];
    leaf.prop_map(value).prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4)
                .prop_map(|values| value(Kind::ListValue(ListValue { values }))),
            any_struct_of(inner).prop_map(|fields| value(Kind::StructValue(fields))),
        ]
    })
}

fn any_struct_of(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Struct> {
    proptest::collection::btree_map("[a-c]{0,2}", values, 0..4).prop_map(|fields| Struct { fields })
}

fn any_struct() -> impl Strategy<Value = Struct> {
    any_struct_of(any_value())
}

/// Bytes that look like values: the right fields, and others, in any order and any nesting, with lengths
/// that are longer than they need to be, or wrong.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        // A null, a bool, or something like it.
        (prop_oneof![Just(1_u8), Just(4)], varint())
            .prop_map(|(number, rest)| field(number, 0, &rest)),
        any::<f64>().prop_map(|number| field(2, 1, &number.to_le_bytes())),
        proptest::collection::vec(any::<u8>(), 0..5).prop_map(|bytes| delimited(3, &bytes, false)),
        "[a-c]{0,2}".prop_map(|key| delimited(1, key.as_bytes(), false)),
        (
            0..9_u8,
            0..8_u8,
            proptest::collection::vec(any::<u8>(), 0..5)
        )
            .prop_map(|(number, kind, rest)| field(number, kind, &rest)),
    ];
    leaf.prop_recursive(6, 64, 4, |inner| {
        let number = prop_oneof![6 => 1..3_u8, 3 => 5..7_u8, 1 => 1..9_u8];
        (
            number,
            proptest::collection::vec(inner, 0..4),
            proptest::bool::weighted(0.1),
        )
            .prop_map(|(number, parts, overlong)| delimited(number, &parts.concat(), overlong))
    })
}

fn varint() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(vec![0]),
        Just(vec![1]),
        Just(vec![0x81, 0]),
        proptest::collection::vec(any::<u8>(), 1..11),
    ]
}

fn field(number: u8, kind: u8, rest: &[u8]) -> Vec<u8> {
    [&[number << 3 | kind], rest].concat()
}

fn delimited(number: u8, content: &[u8], overlong: bool) -> Vec<u8> {
    let mut length = Vec::new();
    prost::encoding::encode_varint(content.len() as u64, &mut length);
    if overlong && let Some(last) = length.last_mut() {
        *last |= 0x80;
        length.push(0);
    }
    field(number, 2, &[&length, content].concat())
}

/// Bytes after some accidents.
fn damaged(bytes: &[u8], accidents: &[(u8, usize, usize, u8)]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for &(kind, from, to, byte) in accidents {
        let from = from % (bytes.len() + 1);
        let to = to % (bytes.len() + 1);
        let (from, to) = (from.min(to), from.max(to));
        match kind {
            0 => bytes.insert(from, byte),
            1 => drop(bytes.drain(from..to)),
            2 => bytes.truncate(to),
            3 => {
                let part = bytes[from..to].to_vec();
                bytes.extend(part);
            }
            _ => {
                if let Some(hit) = bytes.get_mut(from) {
                    *hit ^= 1 << (byte % 8);
                }
            }
        }
    }
    bytes
}

/// How deep lists and maps go, or `None` if a value is not sound.
fn depth_of(value: &Value) -> Option<usize> {
    match value.kind.as_ref()? {
        Kind::NumberValue(number) => number.is_finite().then_some(0),
        Kind::StructValue(fields) => Some(1 + deepest(fields.fields.values())?),
        Kind::ListValue(list) => Some(1 + deepest(list.values.iter())?),
        _ => Some(0),
    }
}

fn deepest<'a>(values: impl Iterator<Item = &'a Value>) -> Option<usize> {
    values
        .map(depth_of)
        .try_fold(0, |deepest, depth| Some(deepest.max(depth?)))
}

fn is_sound(fields: &Struct) -> bool {
    deepest(fields.fields.values()).is_some_and(|depth| depth <= limits().state_depth)
}

fn has_empty_key(fields: &BTreeMap<String, Value>) -> bool {
    fields
        .iter()
        .any(|(key, value)| key.is_empty() || value_has_empty_key(value))
}

fn value_has_empty_key(value: &Value) -> bool {
    match &value.kind {
        Some(Kind::StructValue(fields)) => has_empty_key(&fields.fields),
        Some(Kind::ListValue(list)) => list.values.iter().any(value_has_empty_key),
        _ => false,
    }
}

/// Enumerators that a reader does not know mean the only one that it does.
fn with_known_nulls(value: &mut Value) {
    match &mut value.kind {
        Some(Kind::NullValue(null)) => *null = 0,
        Some(Kind::StructValue(fields)) => fields.fields.values_mut().for_each(with_known_nulls),
        Some(Kind::ListValue(list)) => list.values.iter_mut().for_each(with_known_nulls),
        _ => {}
    }
}

/// All that has to hold for bytes that may be anything. Whether they were accepted.
fn holds_for(bytes: &[u8]) -> Result<bool, TestCaseError> {
    let Ok(state) = accept(bytes) else {
        return Ok(false);
    };
    let decoded = Struct::decode(state.as_wire());
    prop_assert!(decoded.is_ok(), "another decoder fails");
    let decoded = decoded.expect("just checked");
    prop_assert!(is_sound(&decoded));
    // The same as another decoder makes of what came.
    if let Ok(mut original) = Struct::decode(bytes) {
        original.fields.values_mut().for_each(with_known_nulls);
        prop_assert_eq!(&decoded, &original);
    }
    // As short as can be: nothing unknown in it, no key twice, no number longer than it needs to be.
    if !has_empty_key(&decoded.fields) {
        prop_assert_eq!(decoded.encoded_len(), state.len_bytes());
    }
    let again = accept(state.as_wire());
    prop_assert_eq!(again.as_ref().map(State::as_wire), Ok(state.as_wire()));
    let entries = state.entries();
    prop_assert_eq!(entries.len(), decoded.fields.len());
    Ok(true)
}

fn many() -> ProptestConfig {
    ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(many())]

    #[test]
    fn sound_values_pass_and_others_do_not(fields in any_struct()) {
        let accepted = holds_for(&fields.encode_to_vec())?;
        prop_assert_eq!(accepted, is_sound(&fields));
    }

    #[test]
    fn damaged_bytes(
        fields in any_struct(),
        accidents in proptest::collection::vec((0..5_u8, any::<usize>(), any::<usize>(), any::<u8>()), 1..5),
    ) {
        holds_for(&damaged(&fields.encode_to_vec(), &accidents))?;
    }

    #[test]
    fn bytes_that_look_like_values(parts in proptest::collection::vec(fragments(), 0..4)) {
        holds_for(&parts.concat())?;
    }

    #[test]
    fn a_fragment_as_the_value_of_a_key(parts in proptest::collection::vec(fragments(), 0..3)) {
        let value = delimited(2, &parts.concat(), false);
        let entry = [delimited(1, b"key", false), value].concat();
        holds_for(&delimited(1, &entry, false))?;
    }

    #[test]
    fn bytes_at_random(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        holds_for(&bytes)?;
        let _ = Tail::from_wire(&bytes, None, &limits());
    }
}

fn entry(key: &str, value: &[u8]) -> Vec<u8> {
    let parts = [
        delimited(1, key.as_bytes(), false),
        delimited(2, value, false),
    ];
    delimited(1, &parts.concat(), false)
}

fn why(answer: Result<State, Refusal>) -> String {
    match answer {
        Err(Refusal::Invalid {
            field: "state",
            why,
        }) => why,
        other => panic!("not refused for a bad value: {other:?}"),
    }
}

#[test]
fn each_fault_says_what_it_is() {
    let nan = field(2, 1, &f64::NAN.to_le_bytes());
    let infinity = field(2, 1, &f64::INFINITY.to_le_bytes());
    for number in [nan, infinity] {
        assert!(why(accept(&entry("k", &number))).contains("NaN"));
        let in_a_list = delimited(6, &delimited(1, &number, false), false);
        assert!(why(accept(&entry("k", &in_a_list))).contains("NaN"));
    }
    assert!(why(accept(&entry("k", &[]))).contains("without a kind"));
    assert!(
        why(accept(&delimited(1, &delimited(1, b"k", false), false))).contains("without a kind")
    );
    let bad_text = delimited(3, &[0xFF], false);
    assert!(why(accept(&entry("k", &bad_text))).contains("UTF-8"));
    let bad_key = [delimited(1, &[0xC3], false), delimited(2, &[8, 0], false)].concat();
    assert!(why(accept(&delimited(1, &bad_key, false))).contains("UTF-8"));
    for broken in [
        &[0x0A][..],
        &[0x0A, 5, 1],
        &[0x0B],
        &[0x0F],
        &[0x02, 0],
        &[0x80],
    ] {
        assert!(why(accept(broken)).contains("well-formed"));
    }
}

#[test]
fn depth_is_counted_in_levels() {
    let mut nested = field(1, 0, &[0]);
    for _ in 0..limits().state_depth {
        nested = delimited(6, &delimited(1, &nested, false), false);
    }
    accept(&entry("k", &nested)).expect("as deep as allowed");
    let deeper = delimited(5, &entry("inner", &nested), false);
    match accept(&entry("k", &deeper)) {
        Err(Refusal::FieldLimit {
            field: "state",
            exceeded,
        }) => {
            assert_eq!(exceeded.limit, LimitName::StateDepth);
            assert_eq!((exceeded.maximum, exceeded.asked), (4, 5));
        }
        other => panic!("not too deep: {other:?}"),
    }
}

#[test]
fn the_last_of_equal_keys_wins_at_every_level() {
    let [one, two] = [1.0, 2.0_f64].map(|number| field(2, 1, &number.to_le_bytes()));
    let twice = [entry("k", &one), entry("other", &one), entry("k", &two)].concat();
    let inner = delimited(5, &twice, false);
    let state = accept(&[entry("k", &one), entry("k", &inner)].concat()).expect("sound");
    let decoded = Struct::decode(state.as_wire()).expect("decodes");
    let Some(Kind::StructValue(inner)) = &decoded.fields["k"].kind else {
        panic!("not the last: {decoded:?}");
    };
    assert_eq!(inner.fields["k"].kind, Some(Kind::NumberValue(2.0)));
    // No decoder, however it treats duplicates, can see the first ones.
    assert_eq!(decoded.encoded_len(), state.len_bytes());
}

#[test]
fn what_decoders_would_merge_is_refused() {
    let list = |numbers: &[f64]| {
        let values = numbers
            .iter()
            .map(|n| value(Kind::NumberValue(*n)))
            .collect();
        value(Kind::ListValue(ListValue { values })).encode_to_vec()
    };
    let merged = [list(&[1.0]), list(&[2.0])].concat();
    assert!(why(accept(&entry("k", &merged))).contains("well-formed"));
    let parts = [
        delimited(1, b"k", false),
        delimited(2, &list(&[1.0]), false),
        delimited(2, &list(&[2.0]), false),
    ];
    let entry = delimited(1, &parts.concat(), false);
    assert!(why(accept(&entry)).contains("well-formed"));
}
