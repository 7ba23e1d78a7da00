//! Messages as gRPC frames them: whether it is compressed, its length in four bytes, the message.
//!
//! Why not by the library's server: there a call's request, its future and its answer are handed from layer to layer by
//! value and boxed anew at most of them, where most calls are one small message in one frame.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use futures::Stream;
use http_body::Body as HttpBody;
use http_body_util::BodyExt as _;
use prost::Message;
use tonic::Status;
use tonic::body::Body;
use tonic::codec::{BufferSettings, EncodeBody, SingleMessageCompressionOverride};
use tonic::codegen::StdError;
use tonic_prost::ProstCodec;

use super::status;

/// What comes before a message.
const HEAD_BYTES: usize = 5;

/// What a stream's messages are gathered in, and how much of them goes out at once.
const STREAM_BYTES: usize = 2048;
const STREAM_YIELD_BYTES: usize = 32 * 1024;

/// The only message of a request.
pub(super) async fn of_request<T, B>(body: &mut B, max_message_bytes: usize) -> Result<T, Status>
where
    T: Message + Default,
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<StdError>,
{
    let mut coming = Coming::default();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Status::from_error(error.into()))?;
        // Trailers of a request say nothing.
        if let Ok(data) = frame.into_data() {
            coming.add(data, max_message_bytes)?;
        }
        if body.is_end_stream() {
            break;
        }
    }
    T::decode(coming.message()?).map_err(|_| status::malformed())
}

/// A message while it comes.
#[derive(Default)]
struct Coming {
    /// All of it, as long as it came in one piece.
    first: Bytes,
    /// All of it, once it came in several.
    joined: BytesMut,
}

impl Coming {
    fn so_far(&self) -> &[u8] {
        if self.joined.is_empty() {
            &self.first
        } else {
            &self.joined
        }
    }

    /// How long it is with what comes before it, once that is known.
    fn announced(&self) -> Option<usize> {
        let length = self.so_far().get(1..HEAD_BYTES)?;
        let length = u32::from_be_bytes(length.try_into().ok()?);
        usize::try_from(length).ok()?.checked_add(HEAD_BYTES)
    }

    /// Takes no more than was announced, and allows no more to be announced than it may be.
    fn add(&mut self, data: Bytes, max_message_bytes: usize) -> Result<(), Status> {
        if data.is_empty() {
            // Many clients end a request with a frame of its own.
            return Ok(());
        }
        if self.so_far().is_empty() {
            self.first = data;
        } else {
            if self.joined.is_empty() {
                self.joined.put(std::mem::take(&mut self.first));
            }
            self.joined.put(data);
        }
        if self.so_far().first() != Some(&0) {
            return Err(status::malformed());
        }
        let Some(announced) = self.announced() else {
            return Ok(());
        };
        if announced - HEAD_BYTES > max_message_bytes {
            return Err(status::too_large(max_message_bytes));
        }
        let Some(missing) = announced.checked_sub(self.so_far().len()) else {
            return Err(status::malformed());
        };
        if !self.joined.is_empty() {
            self.joined.reserve(missing);
        }
        Ok(())
    }

    /// The message without what comes before it.
    fn message(self) -> Result<Bytes, Status> {
        if self.announced() != Some(self.so_far().len()) {
            return Err(status::malformed());
        }
        let mut whole = if self.joined.is_empty() {
            self.first
        } else {
            self.joined.freeze()
        };
        whole.advance(HEAD_BYTES);
        Ok(whole)
    }
}

/// What a call is answered with, if nothing went wrong until then.
pub(super) enum Reply {
    /// One message, framed.
    One(Bytes),
    /// As many as there will be, and then how it ended.
    Many(Body),
}

impl Reply {
    /// One message.
    pub(super) fn one(message: &impl Message) -> Reply {
        let length = message.encoded_len();
        let mut framed = Vec::with_capacity(HEAD_BYTES + length);
        framed.put_u8(0);
        // A message is made of what the store holds, whose limits are far below.
        framed.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
        message.encode_raw(&mut framed);
        Reply::One(framed.into())
    }

    /// A stream of them.
    pub(super) fn many<T>(messages: impl Stream<Item = Result<T, Status>> + Send + 'static) -> Reply
    where
        T: Message + 'static,
    {
        let settings = BufferSettings::new(STREAM_BYTES, STREAM_YIELD_BYTES);
        let encoder = ProstCodec::<T, ()>::raw_encoder(settings);
        Reply::Many(Body::new(EncodeBody::new_server(
            encoder,
            messages,
            None,
            SingleMessageCompressionOverride::default(),
            Some(usize::MAX),
        )))
    }
}

#[cfg(test)]
mod tests;
