//! Connections that can be reset: a client then sees what a broken network shows it, and no answer of any kind.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// A listener whose connections can be reset.
pub(in crate::origin) struct Wire(pub TcpListener);

/// One connection.
pub(in crate::origin) struct Socket {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

/// The other end of a connection, as handlers see it.
#[derive(Debug, Clone)]
pub(in crate::origin) struct Peer {
    /// Where it is.
    pub address: SocketAddr,
    reset: Arc<AtomicBool>,
}

impl Peer {
    /// From now on, the first byte written to the connection resets it.
    pub fn reset(&self) {
        self.reset.store(true, Ordering::Release);
    }
}

impl Listener for Wire {
    type Io = Socket;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Socket, SocketAddr) {
        // The trait's method: it waits when descriptors are short, where the listener's own fails.
        let (stream, address) = Listener::accept(&mut self.0).await;
        // Answers are one write each; waiting for more only delays them. A socket that is gone says so soon enough.
        let _ = stream.set_nodelay(true);
        (Socket { stream, reset: Arc::default() }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, Wire>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Wire>) -> Self {
        Peer { address: *stream.remote_addr(), reset: stream.io().reset.clone() }
    }
}

impl Socket {
    /// An error makes the server drop the connection, and dropped without lingering it is reset rather than closed.
    fn check(&self) -> io::Result<()> {
        if self.reset.load(Ordering::Acquire) {
            self.stream.set_zero_linger()?;
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, ctx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(ctx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, ctx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(ctx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(ctx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(ctx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_shutdown(ctx)
    }
}
