//! `google.protobuf.Struct` and `ListValue` as the bytes that came.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes};
use prost::encoding::{self, DecodeContext, WireType};
use prost::{DecodeError, Message};

/// A `google.protobuf.Struct` that is not taken apart.
pub type RawStruct = Raw;
/// A `google.protobuf.ListValue` that is not taken apart.
pub type RawList = Raw;

/// A message whose only field is number 1, repeated and length-delimited, kept as its bytes.
#[derive(Clone, PartialEq)]
pub enum Raw {
    /// As it came: not proved to be sound.
    Came(Vec<u8>),
    /// As it is kept.
    Kept(Arc<[u8]>),
}

impl Raw {
    /// The wire form of the message.
    pub fn as_wire(&self) -> &[u8] {
        match self {
            Raw::Came(bytes) => bytes,
            Raw::Kept(bytes) => bytes,
        }
    }
}

impl Default for Raw {
    fn default() -> Self {
        Raw::Came(Vec::new())
    }
}

impl std::fmt::Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Raw({} bytes, redacted)", self.as_wire().len())
    }
}

impl Message for Raw {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        buf.put_slice(self.as_wire());
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        if tag != 1 {
            return encoding::skip_field(wire_type, tag, buf, ctx);
        }
        // The whole field is kept with its frame, so that what follows can be merged by appending.
        let mut element = Bytes::new();
        encoding::bytes::merge(wire_type, &mut element, buf, ctx)?;
        let mut bytes = match std::mem::take(self) {
            Raw::Came(bytes) => bytes,
            Raw::Kept(bytes) => bytes.to_vec(),
        };
        encoding::encode_key(1, WireType::LengthDelimited, &mut bytes);
        encoding::encode_varint(element.len() as u64, &mut bytes);
        bytes.put(element);
        *self = Raw::Came(bytes);
        Ok(())
    }

    fn encoded_len(&self) -> usize {
        self.as_wire().len()
    }

    fn clear(&mut self) {
        *self = Raw::default();
    }
}
