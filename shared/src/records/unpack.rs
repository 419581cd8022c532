//! Unpacks gzip content, and refuses content that grows like a decompression bomb.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_compression::tokio::bufread::GzipDecoder;
use bytes::{Bytes, BytesMut};
use futures_util::future::Either;
use futures_util::stream::{self, Stream, StreamExt};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};
use tokio_util::io::StreamReader;

use super::RecordsError;

/// The first bytes of a gzip file (RFC 1952, section 2.3.1).
const MAGIC: [u8; 2] = [0x1f, 0x8b];
const PIECE_BYTES: usize = 64 * 1024;
/// Largest ratio of unpacked to packed bytes. A Bundle has about 10 times its packed size, a very repetitive Bundle 50
/// times, and a decompression bomb 1,000 times.
pub const SWELLING_MAX: u64 = 200;
/// Unpacked bytes that are accepted at any ratio.
const UNPACKED_BYTES_FREE: u64 = 32 * 1024 * 1024;

/// Some bytes from a link, or the reason why no more arrive.
pub(super) type Piece = Result<Bytes, RecordsError>;

/// The pieces, unpacked if their first bytes are those of gzip. The headers do not decide this, because they are
/// ambiguous: Metriport's packed files have both `Content-Encoding: gzip` and the media type of a gzip file.
pub(super) async fn unpacked<S>(pieces: S) -> Result<impl Stream<Item = Piece> + Send + Unpin, RecordsError>
where
    S: Stream<Item = Piece> + Send + Unpin,
{
    let mut pieces = pieces;
    let mut first = BytesMut::new();
    while first.len() < MAGIC.len()
        && let Some(piece) = pieces.next().await
    {
        first.extend_from_slice(&piece?);
    }
    let packed = first.starts_with(&MAGIC);
    let pieces = stream::iter([Ok(first.freeze())]).chain(pieces);
    Ok(if packed {
        Either::Left(unpack(pieces))
    } else {
        Either::Right(pieces)
    })
}

fn unpack<S>(packed: S) -> impl Stream<Item = Piece> + Send + Unpin
where
    S: Stream<Item = Piece> + Send + Unpin,
{
    let taken = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&taken);
    let counted = packed.map(move |piece| {
        let piece = piece.map_err(io::Error::other)?;
        counter.fetch_add(piece.len() as u64, Ordering::Relaxed);
        Ok::<_, io::Error>(piece)
    });
    let mut given = 0;
    let pieces = stream::try_unfold(GzipDecoder::new(StreamReader::new(counted)), next);
    Box::pin(pieces).map(move |piece| {
        let piece = piece.map_err(|error| reason(&error))?;
        given += piece.len() as u64;
        if given > UNPACKED_BYTES_FREE && given / SWELLING_MAX > taken.load(Ordering::Relaxed) {
            return Err(RecordsError::Swollen);
        }
        Ok(piece)
    })
}

/// The next piece. A gzip file may have several members (RFC 1952, section 2.2). Zeros may follow the last member:
/// tapes and block devices pad with zeros, and common readers skip them.
async fn next<R>(mut decoder: GzipDecoder<R>) -> io::Result<Option<(Bytes, GzipDecoder<R>)>>
where
    R: AsyncBufRead + Unpin,
{
    let mut piece = BytesMut::with_capacity(PIECE_BYTES);
    while decoder.read_buf(&mut piece).await? == 0 {
        let mut rest = decoder.into_inner();
        match rest.fill_buf().await?.first() {
            None => return Ok(None),
            Some(0) => return only_zeros(rest).await.map(|()| None),
            Some(_) => decoder = GzipDecoder::new(rest),
        }
    }
    Ok(Some((piece.freeze(), decoder)))
}

async fn only_zeros(mut rest: impl AsyncBufRead + Unpin) -> io::Result<()> {
    loop {
        let padding = rest.fill_buf().await?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        match padding.len() {
            0 => return Ok(()),
            zeros => rest.consume(zeros),
        }
    }
}

/// The error of the packed stream, if that stream failed; otherwise the error of the unpacking.
fn reason(error: &io::Error) -> RecordsError {
    let below = error.get_ref().and_then(|error| error.downcast_ref::<RecordsError>());
    below
        .cloned()
        .unwrap_or(RecordsError::Broken("the content could not be unpacked"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    async fn read(pieces: impl IntoIterator<Item = Piece>) -> Result<Vec<u8>, RecordsError> {
        let pieces: Vec<Piece> = pieces.into_iter().collect();
        let mut read = unpacked(stream::iter(pieces)).await?;
        let mut whole = Vec::new();
        while let Some(piece) = read.next().await {
            let piece = piece?;
            assert!(piece.len() <= PIECE_BYTES);
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }

    fn in_pieces(bytes: &[u8], size: usize) -> Vec<Piece> {
        let pieces = bytes.chunks(size);
        pieces.map(|piece| Ok(Bytes::copy_from_slice(piece))).collect()
    }

    #[tokio::test]
    async fn first_bytes_decide_whether_content_is_unpacked() {
        let text: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut members = packed(&text);
        members.extend_from_slice(&packed(b"and more"));
        let whole = [text.as_slice(), b"and more"].concat();
        for size in [1, 7, 100_000] {
            assert_eq!(read(in_pieces(&members, size)).await.unwrap(), whole);
        }
        for plain in [&b""[..], b"{", b"{}", b"\x1f", b"\x1fx"] {
            assert_eq!(read(in_pieces(plain, 1)).await.unwrap(), plain);
        }
    }

    #[tokio::test]
    async fn only_zeros_may_follow_the_last_member() {
        let (member, zeros) = (packed(b"a record"), vec![0; 3000]);
        let twice = [member.clone(), member.clone()].concat();
        for size in [1, 7, 100_000] {
            let padded = |bytes: &[u8], padding: &[u8]| in_pieces(&[bytes, padding].concat(), size);
            assert_eq!(read(padded(&member, &zeros)).await.unwrap(), b"a record");
            assert_eq!(read(padded(&twice, &zeros[..1])).await.unwrap(), b"a recorda record");
            for other in [&b"x"[..], b"\0x", b"\x1f\x8b", &[&zeros[..], &member].concat()] {
                let refused = Err(RecordsError::Broken("the content could not be unpacked"));
                assert_eq!(read(padded(&member, other)).await, refused, "{size}");
            }
            let interrupted = padded(&member, &zeros)
                .into_iter()
                .chain([Err(RecordsError::Broken("interrupted"))]);
            assert_eq!(read(interrupted).await, Err(RecordsError::Broken("interrupted")));
        }
    }

    #[tokio::test]
    async fn interrupted_or_corrupt_content_returns_its_error() {
        let mut bytes = packed(b"a record");
        let broken = Err(RecordsError::Broken("interrupted"));
        for cut in [0, 1, 2, 5] {
            let pieces = in_pieces(&bytes[..cut], 1).into_iter().chain([broken.clone()]);
            assert_eq!(read(pieces).await, Err(RecordsError::Broken("interrupted")), "{cut}");
        }
        let ended = bytes.len() - 1;
        assert_eq!(
            read(in_pieces(&bytes[..ended], 3)).await,
            Err(RecordsError::Broken("the content could not be unpacked"))
        );
        bytes[12] ^= 0xff;
        assert_eq!(
            read(in_pieces(&bytes, 3)).await,
            Err(RecordsError::Broken("the content could not be unpacked"))
        );
    }

    /// One member of one mebibyte, repeated without end.
    #[tokio::test]
    async fn decompression_bomb_is_refused_early() {
        let member = Bytes::from(packed(&vec![b' '; 1024 * 1024]));
        assert!(member.len() < 2000);
        let opened = unpacked(stream::repeat(Ok(member))).await;
        let mut bomb = opened.unwrap();
        let mut bytes = 0;
        let end = loop {
            match bomb.next().await.unwrap() {
                Ok(piece) => bytes += piece.len() as u64,
                Err(error) => break error,
            }
        };
        assert_eq!(end, RecordsError::Swollen);
        assert!(bytes <= UNPACKED_BYTES_FREE + PIECE_BYTES as u64, "{bytes}");
    }
}
