//! From anything that serde can serialize to what travels. Going through `serde_json::Value` would turn NaN into
//! null without a word.

use std::fmt;

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use serde::ser::{self, Serialize};

use super::MAX_SAFE_INTEGER;
use crate::error::Error;

/// What no state can hold, and where it stands. The path is gathered from the inside out.
#[derive(Debug)]
pub(super) struct Misfit {
    path: Vec<String>,
    why: String,
}

impl Misfit {
    fn new(why: impl Into<String>) -> Misfit {
        Misfit {
            path: Vec::new(),
            why: why.into(),
        }
    }

    fn within(mut self, step: String) -> Misfit {
        self.path.push(step);
        self
    }

    fn at_key(self, key: &str) -> Misfit {
        self.within(format!(".{key}"))
    }

    fn at_index(self, index: usize) -> Misfit {
        self.within(format!("[{index}]"))
    }

    /// Where it stands below `root`, and what is wrong with it. Never the value itself.
    pub(super) fn told(self, root: &str) -> Error {
        let mut place = root.to_owned();
        place.extend(self.path.into_iter().rev());
        Error::bad_value(place, &self.why)
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Misfit {}

impl ser::Error for Misfit {
    fn custom<T: fmt::Display>(why: T) -> Misfit {
        Misfit::new(why.to_string())
    }
}

type Outcome = Result<Value, Misfit>;

fn of(kind: Kind) -> Value {
    Value { kind: Some(kind) }
}

fn null() -> Value {
    of(Kind::NullValue(0))
}

fn map(fields: Struct) -> Value {
    of(Kind::StructValue(fields))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the range was checked: every integer in it is a double"
)]
fn integer(integer: impl TryInto<i64>) -> Outcome {
    match integer.try_into() {
        Ok(integer) if (-MAX_SAFE_INTEGER..=MAX_SAFE_INTEGER).contains(&integer) => {
            Ok(of(Kind::NumberValue(integer as f64)))
        }
        _ => Err(Misfit::new(
            "is an integer beyond ±(2^53-1), where they are no longer exact; store it as text",
        )),
    }
}

fn double(double: f64) -> Outcome {
    if double.is_finite() {
        return Ok(of(Kind::NumberValue(double)));
    }
    Err(Misfit::new("is not a finite number; store it as text"))
}

/// Makes one value.
#[derive(Clone, Copy)]
pub(super) struct ToValue;

impl ser::Serializer for ToValue {
    type Ok = Value;
    type Error = Misfit;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Fields;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Fields;

    fn serialize_bool(self, value: bool) -> Outcome {
        Ok(of(Kind::BoolValue(value)))
    }

    fn serialize_i8(self, value: i8) -> Outcome {
        integer(value)
    }

    fn serialize_i16(self, value: i16) -> Outcome {
        integer(value)
    }

    fn serialize_i32(self, value: i32) -> Outcome {
        integer(value)
    }

    fn serialize_i64(self, value: i64) -> Outcome {
        integer(value)
    }

    fn serialize_i128(self, value: i128) -> Outcome {
        integer(value)
    }

    fn serialize_u8(self, value: u8) -> Outcome {
        integer(value)
    }

    fn serialize_u16(self, value: u16) -> Outcome {
        integer(value)
    }

    fn serialize_u32(self, value: u32) -> Outcome {
        integer(value)
    }

    fn serialize_u64(self, value: u64) -> Outcome {
        integer(value)
    }

    fn serialize_u128(self, value: u128) -> Outcome {
        integer(value)
    }

    fn serialize_f32(self, value: f32) -> Outcome {
        double(value.into())
    }

    fn serialize_f64(self, value: f64) -> Outcome {
        double(value)
    }

    fn serialize_char(self, value: char) -> Outcome {
        Ok(of(Kind::StringValue(value.to_string())))
    }

    fn serialize_str(self, value: &str) -> Outcome {
        Ok(of(Kind::StringValue(value.to_owned())))
    }

    fn serialize_bytes(self, _: &[u8]) -> Outcome {
        Err(Misfit::new(
            "are bytes, which no state holds; store them as text",
        ))
    }

    fn serialize_none(self) -> Outcome {
        Ok(null())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Outcome {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Outcome {
        Ok(null())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Outcome {
        Ok(null())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Outcome {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Outcome {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Outcome {
        let inner = value
            .serialize(self)
            .map_err(|misfit| misfit.at_key(variant))?;
        Ok(in_variant(variant, inner))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Items, Misfit> {
        Ok(Items::new(None, length))
    }

    fn serialize_tuple(self, length: usize) -> Result<Items, Misfit> {
        Ok(Items::new(None, Some(length)))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Items, Misfit> {
        Ok(Items::new(None, Some(length)))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Items, Misfit> {
        Ok(Items::new(Some(variant), Some(length)))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Fields, Misfit> {
        Ok(Fields::default())
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Fields, Misfit> {
        Ok(Fields {
            is_number: name == JSON_NUMBER,
            ..Fields::default()
        })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Fields, Misfit> {
        Ok(Fields {
            variant: Some(variant),
            ..Fields::default()
        })
    }
}

/// How `serde_json` shows a number to other serializers where somebody has switched `arbitrary_precision` on.
const JSON_NUMBER: &str = "$serde_json::private::Number";

fn in_variant(variant: &str, inner: Value) -> Value {
    map(Struct {
        fields: [(variant.to_owned(), inner)].into(),
    })
}

/// A list in the making.
pub(super) struct Items {
    variant: Option<&'static str>,
    values: Vec<Value>,
}

impl Items {
    fn new(variant: Option<&'static str>, length: Option<usize>) -> Items {
        Items {
            variant,
            // What a caller's type says of its length is only a hint.
            values: Vec::with_capacity(length.unwrap_or_default().min(1024)),
        }
    }

    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Misfit> {
        let value = value
            .serialize(ToValue)
            .map_err(|misfit| misfit.at_index(self.values.len()))?;
        self.values.push(value);
        Ok(())
    }

    fn done(self) -> Value {
        let list = of(Kind::ListValue(ListValue {
            values: self.values,
        }));
        match self.variant {
            Some(variant) => in_variant(variant, list),
            None => list,
        }
    }
}

macro_rules! collects {
    ($($part:ident $push:ident),*) => {
        $(impl ser::$part for Items {
            type Ok = Value;
            type Error = Misfit;

            fn $push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Misfit> {
                self.push(value)
            }

            fn end(self) -> Outcome {
                Ok(self.done())
            }
        })*
    };
}

collects!(
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
);

/// A map in the making.
#[derive(Default)]
pub(super) struct Fields {
    variant: Option<&'static str>,
    is_number: bool,
    key: Option<String>,
    map: Struct,
}

impl Fields {
    fn put<T: Serialize + ?Sized>(&mut self, key: String, value: &T) -> Result<(), Misfit> {
        let value = value
            .serialize(ToValue)
            .map_err(|misfit| misfit.at_key(&key))?;
        self.map.fields.insert(key, value);
        Ok(())
    }

    fn done(self) -> Outcome {
        if self.is_number {
            return self.number();
        }
        let fields = map(self.map);
        Ok(match self.variant {
            Some(variant) => in_variant(variant, fields),
            None => fields,
        })
    }

    fn number(mut self) -> Outcome {
        let Some(Value {
            kind: Some(Kind::StringValue(text)),
        }) = self.map.fields.remove(JSON_NUMBER)
        else {
            return Err(Misfit::new("is no number"));
        };
        if text
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_digit())
        {
            // One that not even i128 holds is certainly too large.
            return integer(text.parse::<i128>().unwrap_or(i128::MAX));
        }
        double(text.parse().unwrap_or(f64::NAN))
    }
}

impl ser::SerializeMap for Fields {
    type Ok = Value;
    type Error = Misfit;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Misfit> {
        match key.serialize(ToValue)?.kind {
            Some(Kind::StringValue(key)) => {
                self.key = Some(key);
                Ok(())
            }
            _ => Err(Misfit::new("has a key that is no text")),
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Misfit> {
        let key = self.key.take().unwrap_or_default();
        self.put(key, value)
    }

    fn end(self) -> Outcome {
        self.done()
    }
}

impl ser::SerializeStruct for Fields {
    type Ok = Value;
    type Error = Misfit;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Misfit> {
        self.put(key.to_owned(), value)
    }

    fn end(self) -> Outcome {
        self.done()
    }
}

impl ser::SerializeStructVariant for Fields {
    type Ok = Value;
    type Error = Misfit;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Misfit> {
        self.put(key.to_owned(), value)
    }

    fn end(self) -> Outcome {
        self.done()
    }
}
