//! Messages in and out, with buffers of the size that sessions have.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{self, BufferSettings};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

/// What a message gets before its length is known; it grows where that is too little. The default is 8 KiB for each
/// request and each answer: with it a Get allocates over 30 KiB instead of 17 (`tests/cost`).
const REQUEST_BYTES: usize = 512;
const ANSWER_BYTES: usize = 2048;

/// Beyond, an answer goes out in pieces.
const YIELD_BYTES: usize = 32 * 1024;

/// As the generated services want it.
pub(crate) struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Codec(PhantomData)
    }
}

impl<T, U> codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::new(ANSWER_BYTES, YIELD_BYTES))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<T, U>::raw_decoder(BufferSettings::new(REQUEST_BYTES, YIELD_BYTES))
    }
}
