//! Values as the bytes that came: one pass proves that every language's client can decode them.
//!
//! A value is a `google.protobuf.Value` in its wire form. It is never built into a tree. Bytes that are
//! sound but unusual (a key twice, an unknown field) are written anew in the one form that everybody
//! reads alike; all others pass through as they are.

use std::collections::HashSet;

/// Why bytes are not a sound value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not the wire form of the message.
    Malformed,
    /// A string that is not UTF-8.
    NotUtf8,
    /// NaN or an infinity.
    NotFinite,
    /// A value without a kind.
    NoKind,
    /// More levels of lists and maps than allowed; how many there are at least.
    TooDeep(usize),
}

/// The kinds of `google.protobuf.Value`, by field number.
const NULL: u64 = 1;
const NUMBER: u64 = 2;
const STRING: u64 = 3;
const BOOL: u64 = 4;
const STRUCT: u64 = 5;
const LIST: u64 = 6;

/// The only field of `Struct` and of `ListValue`, length-delimited.
const ELEMENT_TAG: u8 = 0x0A;

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const DELIMITED: u64 = 2;
const FIXED32: u64 = 5;

/// Reads a message's fields one after the other.
pub struct Fields<'a> {
    rest: &'a [u8],
    /// Whether a number took more bytes than it needs: not every language's decoder reads those.
    overlong: bool,
}

/// A field's content.
#[derive(Clone, Copy)]
pub enum Field<'a> {
    /// A varint.
    Varint(u64),
    /// Eight bytes.
    Fixed64([u8; 8]),
    /// Four bytes. No message here has such a field.
    Fixed32,
    /// A string, bytes, or a message.
    Delimited(&'a [u8]),
}

impl<'a> Fields<'a> {
    /// Starts at the first field of a message.
    pub fn of(message: &'a [u8]) -> Fields<'a> {
        Fields {
            rest: message,
            overlong: false,
        }
    }

    /// The next field with its number, or `None` at the end.
    pub fn next_field(&mut self) -> Result<Option<(u64, Field<'a>)>, Fault> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let field = match tag & 7 {
            VARINT => Field::Varint(self.varint()?),
            FIXED64 => {
                let (eight, rest) = self.rest.split_first_chunk().ok_or(Fault::Malformed)?;
                self.rest = rest;
                Field::Fixed64(*eight)
            }
            FIXED32 => {
                let (_, rest) = self.rest.split_first_chunk::<4>().ok_or(Fault::Malformed)?;
                self.rest = rest;
                Field::Fixed32
            }
            DELIMITED => {
                let len = usize::try_from(self.varint()?).map_err(|_| Fault::Malformed)?;
                let (content, rest) = self.rest.split_at_checked(len).ok_or(Fault::Malformed)?;
                self.rest = rest;
                Field::Delimited(content)
            }
            _ => return Err(Fault::Malformed),
        };
        match tag >> 3 {
            0 => Err(Fault::Malformed),
            number => Ok(Some((number, field))),
        }
    }

    /// The form of what has been read, as far as its frames go.
    fn form(&self) -> Form {
        if self.overlong {
            Form::Unusual
        } else {
            Form::Plain
        }
    }

    fn varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0_u64;
        for (place, &byte) in self.rest.iter().enumerate().take(10) {
            if place == 9 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7F) << (7 * place);
            if byte & 0x80 == 0 {
                self.overlong |= byte == 0 && place > 0;
                self.rest = &self.rest[place + 1..];
                return Ok(value);
            }
        }
        Err(Fault::Malformed)
    }
}

/// Appends a varint.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    let seven_bits = |value: u64| (value & 0x7F) as u8;
    while value >= 0x80 {
        out.push(seven_bits(value) | 0x80);
        value >>= 7;
    }
    out.push(seven_bits(value));
}

/// Appends a length-delimited field.
pub fn put_delimited(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    put_varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

/// Appends an element of a list, or an entry of a map.
pub fn put_element(out: &mut Vec<u8>, content: &[u8]) {
    put_delimited(out, ELEMENT_TAG, content);
}

/// Appends an entry of a map with its frame.
pub fn put_entry(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let inner = inner_len(key.len(), value.len());
    out.push(ELEMENT_TAG);
    put_varint(out, inner as u64);
    put_delimited(out, 0x0A, key);
    put_delimited(out, 0x12, value);
}

/// How many bytes an entry of a map takes with its frame.
pub fn entry_len(key_len: usize, value_len: usize) -> usize {
    let inner = inner_len(key_len, value_len);
    1 + varint_len(inner) + inner
}

fn inner_len(key_len: usize, value_len: usize) -> usize {
    2 + varint_len(key_len) + key_len + varint_len(value_len) + value_len
}

/// The value of a map's first entry.
pub fn first_value(entries: &[u8]) -> Option<&[u8]> {
    match Fields::of(entries).next_field() {
        Ok(Some((1, Field::Delimited(entry)))) => Some(entry_parts(entry).ok()?.1),
        _ => None,
    }
}

fn varint_len(value: usize) -> usize {
    (1 + (value | 1).ilog2() / 7) as usize
}

/// Whether sound bytes are already in the form that everybody reads alike.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Unusual,
}

impl Form {
    fn and(self, other: Form) -> Form {
        if self == Form::Plain { other } else { self }
    }
}

/// Proves a value sound, with at most `depth` levels of lists and maps in it, and appends it in its plain
/// form.
pub fn put_sound_value(out: &mut Vec<u8>, value: &[u8], depth: usize) -> Result<(), Fault> {
    match check_value(value, depth, depth)? {
        Form::Plain => out.extend_from_slice(value),
        Form::Unusual => put_plain_value(out, value)?,
    }
    Ok(())
}

/// Splits a map's entry into its key and its value.
pub fn entry_parts(entry: &[u8]) -> Result<(&str, &[u8]), Fault> {
    let (key, value, _) = split_entry(entry)?;
    Ok((key, value))
}

fn split_entry(entry: &[u8]) -> Result<(&str, &[u8], Form), Fault> {
    let (mut key, mut value) = (None, None);
    let mut form = Form::Plain;
    let mut fields = Fields::of(entry);
    while let Some((number, field)) = fields.next_field()? {
        match (number, field) {
            (1, Field::Delimited(bytes)) => {
                let text = std::str::from_utf8(bytes).map_err(|_| Fault::NotUtf8)?;
                if key.replace(text).is_some() || value.is_some() {
                    form = Form::Unusual;
                }
            }
            (2, Field::Delimited(bytes)) => {
                if value.replace(bytes).is_some() {
                    // Decoders would have to merge the two, and not all of them do.
                    return Err(Fault::Malformed);
                }
                if key.is_none() {
                    form = Form::Unusual;
                }
            }
            (1 | 2, _) => return Err(Fault::Malformed),
            _ => form = Form::Unusual,
        }
    }
    if key.is_none() {
        form = Form::Unusual;
    }
    Ok((
        key.unwrap_or_default(),
        value.ok_or(Fault::NoKind)?,
        form.and(fields.form()),
    ))
}

fn check_value(value: &[u8], left: usize, depth: usize) -> Result<Form, Fault> {
    let mut kinds = 0;
    let mut message_kind = None;
    let mut form = Form::Plain;
    let mut fields = Fields::of(value);
    while let Some((number, field)) = fields.next_field()? {
        kinds += 1;
        if matches!(number, STRUCT | LIST) && message_kind.replace(number) == Some(number) {
            // Decoders would have to merge the two, and not all of them do.
            return Err(Fault::Malformed);
        }
        let found = match (number, field) {
            (NULL, Field::Varint(0)) | (BOOL, Field::Varint(0 | 1)) => Form::Plain,
            (NULL | BOOL, Field::Varint(_)) => Form::Unusual,
            (NUMBER, Field::Fixed64(bytes)) if f64::from_le_bytes(bytes).is_finite() => Form::Plain,
            (NUMBER, Field::Fixed64(_)) => return Err(Fault::NotFinite),
            (STRING, Field::Delimited(text)) => {
                std::str::from_utf8(text).map_err(|_| Fault::NotUtf8)?;
                Form::Plain
            }
            (STRUCT | LIST, Field::Delimited(_)) if left == 0 => {
                return Err(Fault::TooDeep(depth + 1));
            }
            (STRUCT, Field::Delimited(entries)) => check_struct(entries, left - 1, depth)?,
            (LIST, Field::Delimited(elements)) => check_list(elements, left - 1, depth)?,
            (NULL..=LIST, _) => return Err(Fault::Malformed),
            _ => {
                kinds -= 1;
                Form::Unusual
            }
        };
        form = form.and(found);
    }
    match kinds {
        0 => Err(Fault::NoKind),
        1 => Ok(form.and(fields.form())),
        _ => Ok(Form::Unusual),
    }
}

fn check_struct(entries: &[u8], left: usize, depth: usize) -> Result<Form, Fault> {
    let mut keys = Keys::default();
    let mut form = Form::Plain;
    let mut fields = Fields::of(entries);
    while let Some((number, field)) = fields.next_field()? {
        match (number, field) {
            (1, Field::Delimited(entry)) => {
                let (key, value, entry_form) = split_entry(entry)?;
                form = form.and(entry_form).and(check_value(value, left, depth)?);
                if !keys.insert(key) {
                    form = Form::Unusual;
                }
            }
            (1, _) => return Err(Fault::Malformed),
            _ => form = Form::Unusual,
        }
    }
    Ok(form.and(fields.form()))
}

fn check_list(elements: &[u8], left: usize, depth: usize) -> Result<Form, Fault> {
    let mut form = Form::Plain;
    let mut fields = Fields::of(elements);
    while let Some((number, field)) = fields.next_field()? {
        match (number, field) {
            (1, Field::Delimited(value)) => form = form.and(check_value(value, left, depth)?),
            (1, _) => return Err(Fault::Malformed),
            _ => form = Form::Unusual,
        }
    }
    Ok(form.and(fields.form()))
}

/// The keys seen in one map: a plain list while there are few.
#[derive(Default)]
struct Keys<'a> {
    few: Vec<&'a str>,
    many: HashSet<&'a str>,
}

impl<'a> Keys<'a> {
    const FEW: usize = 16;

    fn insert(&mut self, key: &'a str) -> bool {
        if self.many.is_empty() {
            if self.few.contains(&key) {
                return false;
            }
            self.few.push(key);
            if self.few.len() > Self::FEW {
                self.many = self.few.drain(..).collect();
            }
            return true;
        }
        self.many.insert(key)
    }
}

/// Writes a sound value anew: the last kind, the last of equal keys, keys in order, nothing unknown. Equal
/// values become equal bytes.
pub fn put_plain_value(out: &mut Vec<u8>, value: &[u8]) -> Result<(), Fault> {
    let mut last = None;
    let mut fields = Fields::of(value);
    while let Some((number, field)) = fields.next_field()? {
        if (NULL..=LIST).contains(&number) {
            last = Some((number, field));
        }
    }
    match last.ok_or(Fault::NoKind)? {
        (NULL, _) => out.extend_from_slice(&[0x08, 0]),
        (NUMBER, Field::Fixed64(bytes)) => {
            out.push(0x11);
            out.extend_from_slice(&bytes);
        }
        (STRING, Field::Delimited(text)) => put_delimited(out, 0x1A, text),
        (BOOL, Field::Varint(flag)) => out.extend_from_slice(&[0x20, u8::from(flag != 0)]),
        (STRUCT, Field::Delimited(entries)) => {
            let mut inner = Vec::new();
            let mut entries = last_of_each(entries)?;
            entries.sort_unstable_by_key(|(key, _)| *key);
            for (key, value) in entries {
                let mut plain = Vec::new();
                put_plain_value(&mut plain, value)?;
                put_entry(&mut inner, key.as_bytes(), &plain);
            }
            put_delimited(out, 0x2A, &inner);
        }
        (LIST, Field::Delimited(elements)) => {
            let mut inner = Vec::new();
            for value in list_elements(elements)? {
                let mut plain = Vec::new();
                put_plain_value(&mut plain, value)?;
                put_element(&mut inner, &plain);
            }
            put_delimited(out, 0x32, &inner);
        }
        _ => return Err(Fault::Malformed),
    }
    Ok(())
}

/// The entries of a `Struct`, the last of equal keys, in the order of their first appearance.
pub fn last_of_each(entries: &[u8]) -> Result<Vec<(&str, &[u8])>, Fault> {
    let mut found: Vec<(&str, &[u8])> = Vec::new();
    let mut places: hashbrown::HashMap<&str, usize> = hashbrown::HashMap::new();
    for entry in list_elements(entries)? {
        let (key, value, _) = split_entry(entry)?;
        match places.entry(key) {
            hashbrown::hash_map::Entry::Occupied(place) => found[*place.get()].1 = value,
            hashbrown::hash_map::Entry::Vacant(place) => {
                place.insert(found.len());
                found.push((key, value));
            }
        }
    }
    Ok(found)
}

/// The elements of a `ListValue`, or the entries of a `Struct`.
pub fn list_elements(message: &[u8]) -> Result<Vec<&[u8]>, Fault> {
    let mut found = Vec::new();
    let mut fields = Fields::of(message);
    while let Some((number, field)) = fields.next_field()? {
        match (number, field) {
            (1, Field::Delimited(element)) => found.push(element),
            (1, _) => return Err(Fault::Malformed),
            _ => {}
        }
    }
    Ok(found)
}

/// What a plain value is, for the operations that look into it.
pub enum Kind<'a> {
    /// A number.
    Number(f64),
    /// A list, as its elements' bytes.
    List(&'a [u8]),
    /// Anything else.
    Other,
}

/// Looks into a plain value.
pub fn kind_of(value: &[u8]) -> Kind<'_> {
    match Fields::of(value).next_field() {
        Ok(Some((NUMBER, Field::Fixed64(bytes)))) => Kind::Number(f64::from_le_bytes(bytes)),
        Ok(Some((LIST, Field::Delimited(elements)))) => Kind::List(elements),
        _ => Kind::Other,
    }
}

/// A number as a value.
pub fn number_value(number: f64) -> Vec<u8> {
    let mut value = Vec::with_capacity(9);
    value.push(0x11);
    value.extend_from_slice(&number.to_le_bytes());
    value
}

/// A list as a value.
pub fn list_value(elements: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(elements.len() + 6);
    put_delimited(&mut value, 0x32, elements);
    value
}
