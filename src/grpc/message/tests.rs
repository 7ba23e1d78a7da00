use std::convert::Infallible;

use futures::FutureExt as _;
use futures::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use prost_types::Timestamp;
use tonic::Code;

use super::*;

const MOST: usize = 64;

fn sent() -> Timestamp {
    Timestamp {
        seconds: 1_800_000_000,
        nanos: 17,
    }
}

fn framed(message: &impl Message) -> Vec<u8> {
    match Reply::one(message) {
        Reply::One(framed) => framed.to_vec(),
        Reply::Many(_) => unreachable!("it is one"),
    }
}

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Timestamp, Code> {
    let frames = pieces.into_iter().map(|piece| {
        let data = Bytes::copy_from_slice(piece);
        Ok::<_, Infallible>(Frame::data(data))
    });
    let mut body = StreamBody::new(stream::iter(frames.collect::<Vec<_>>()));
    let read = of_request::<Timestamp, _>(&mut body, MOST);
    let read = read.now_or_never().expect("nothing is waited for");
    read.map_err(|status| status.code())
}

#[test]
fn a_message_is_read_in_whatever_pieces_it_comes() {
    let bytes = framed(&sent());
    assert_eq!(read([&*bytes]), Ok(sent()));
    assert_eq!(read(bytes.chunks(1)), Ok(sent()));
    for first in 0..bytes.len() {
        for second in first..bytes.len() {
            let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
            assert_eq!(read(pieces), Ok(sent()), "{first} {second}");
        }
    }
    assert_eq!(
        read([&framed(&Timestamp::default())[..]]),
        Ok(Timestamp::default())
    );
}

#[test]
fn what_is_no_message_or_more_than_one_is_refused() {
    let bytes = framed(&sent());
    for kept in 0..bytes.len() {
        assert_eq!(read([&bytes[..kept]]), Err(Code::InvalidArgument), "{kept}");
        assert_eq!(
            read(bytes[..kept].chunks(2)),
            Err(Code::InvalidArgument),
            "{kept}"
        );
    }
    assert_eq!(read([]), Err(Code::InvalidArgument));
    assert_eq!(read([&*bytes, &*bytes]), Err(Code::InvalidArgument));
    assert_eq!(
        read([&*[&*bytes, &[0]].concat()]),
        Err(Code::InvalidArgument)
    );
    for flag in [1, 2, 255] {
        let mut flagged = bytes.clone();
        flagged[0] = flag;
        assert_eq!(read([&*flagged]), Err(Code::InvalidArgument), "{flag}");
        assert_eq!(
            read(flagged.chunks(1)),
            Err(Code::InvalidArgument),
            "{flag}"
        );
    }
    // What it is comes before how long it would be.
    assert_eq!(
        read([&[1, 255, 255, 255, 255][..]]),
        Err(Code::InvalidArgument)
    );
    let mut nonsense = bytes.clone();
    nonsense[HEAD_BYTES] = 7;
    assert_eq!(read([&*nonsense]), Err(Code::InvalidArgument));
}

#[test]
fn a_message_that_would_be_too_long_is_refused_before_it_comes() {
    let announcing = |length: usize| {
        let length = u32::try_from(length).expect("short");
        [&[0][..], &length.to_be_bytes()].concat()
    };
    let too_long = announcing(MOST + 1);
    assert_eq!(read([&*too_long]), Err(Code::ResourceExhausted));
    assert_eq!(read(too_long.chunks(1)), Err(Code::ResourceExhausted));
    assert_eq!(
        read([&*announcing(u32::MAX as usize)]),
        Err(Code::ResourceExhausted)
    );
    // As long as it may be: an unknown field with as many bytes as fit.
    let mut longest = announcing(MOST);
    longest.extend([0x7A, u8::try_from(MOST - 2).expect("short")]);
    longest.resize(HEAD_BYTES + MOST, 0);
    assert_eq!(read([&*longest]), Ok(Timestamp::default()));
    assert_eq!(read(longest.chunks(9)), Ok(Timestamp::default()));
}
