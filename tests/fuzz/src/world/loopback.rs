//! A minimal HTTP server. It answers at once, on the client's thread, over connections that stay open.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The parts of a request on which an answer depends.
pub struct LoopbackRequest<'a> {
    /// First line and headers.
    head: &'a str,
    /// The body.
    pub body: &'a [u8],
}

impl LoopbackRequest<'_> {
    /// `GET`, `POST`, …
    #[must_use]
    pub fn method(&self) -> &str {
        self.head.split(' ').next().unwrap_or_default()
    }

    /// Path and query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// A header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }
}

/// The bytes of an answer, and whether it ends the connection.
pub struct Answer {
    /// All bytes to send.
    pub bytes: Vec<u8>,
    /// Whether the connection ends.
    pub ends: bool,
}

impl Answer {
    /// A JSON answer.
    #[must_use]
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::text(status, &body.to_string())
    }

    /// An answer with this text, whose content type is JSON.
    #[must_use]
    pub fn text(status: u16, body: &str) -> Self {
        let length = body.len();
        let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
        Self {
            bytes: (head + body).into_bytes(),
            ends: false,
        }
    }
}

/// Decides the answer to a request.
pub type Answerer = Arc<dyn Fn(&LoopbackRequest<'_>) -> Answer + Send + Sync>;

/// Listens on loopback until the runtime ends.
///
/// # Errors
/// Fails if no port is free.
pub async fn listen(answerer: Answerer) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answerer = Arc::clone(&answerer);
            // The error is dropped, because the client notices a broken connection itself.
            tokio::spawn(async move { serve(stream, answerer).await.ok() });
        }
    });
    Ok(address)
}

async fn serve(mut stream: TcpStream, answerer: Answerer) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut pending = Vec::with_capacity(4096);
    loop {
        let Some((head, body)) = measure(&pending) else {
            if stream.read_buf(&mut pending).await? == 0 {
                return Ok(());
            }
            continue;
        };
        while pending.len() < head + body {
            if stream.read_buf(&mut pending).await? == 0 {
                return Ok(());
            }
        }
        let rest = pending.split_off(head + body);
        let (text, body) = pending.split_at(head);
        let answer = answerer(&LoopbackRequest {
            head: &String::from_utf8_lossy(text),
            body,
        });
        stream.write_all(&answer.bytes).await?;
        if answer.ends {
            return stream.shutdown().await;
        }
        pending = rest;
    }
}

/// The lengths of head and body, as soon as the head is complete. Our clients' requests state a length or have no body.
fn measure(pending: &[u8]) -> Option<(usize, usize)> {
    let head = pending.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(pending.get(..head)?);
    let length = LoopbackRequest { head: &text, body: &[] }
        .header("content-length")
        .and_then(|length| length.parse().ok());
    Some((head, length.unwrap_or(0)))
}
